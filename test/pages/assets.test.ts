import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createAssets } from '../../src/interactions/pages/assets.ts'

const directory = join(import.meta.dirname, '../../views/assets')

test('an asset is found at the address that pages use, with its type and for ever', (t) => {
  const assets = createAssets({ directory })
  const path = assets.url('app.css')
  t.regex(path, /^\/assets\/app\.[0-9a-f]{16}\.css$/)
  const found = assets.find(path)
  t.is(found?.type, 'text/css; charset=utf-8')
  t.true(found && found.body.length > 1000)
  t.regex(found?.etag ?? '', /^"[0-9a-f]{16}"$/)
  t.is(found?.cacheControl, 'public, max-age=31536000, immutable')
  t.is(assets.find(assets.url('mark.svg'))?.type, 'image/svg+xml')
})

test('every other path finds nothing', (t) => {
  const assets = createAssets({ directory })
  const path = assets.url('app.css')
  for (const other of [
    '/assets/app.css',
    '/assets/../login.eta',
    '/assets/%2e%2e/login.eta',
    '/assets/app.0000000000000000.css',
    path.toUpperCase(),
    `${path}/`,
    `${path}?x`,
    path.slice(1),
    '/assets/',
    '/assets/__proto__',
    '',
  ]) {
    t.is(assets.find(other), undefined, other)
  }
  t.throws(() => assets.url('missing.css'), { message: /missing\.css/ })
})

test('the address changes with the content, and only with it', async (t) => {
  const own = await mkdtemp(join(tmpdir(), 'assets-'))
  t.teardown(() => rm(own, { recursive: true }))
  const urlOf = async (content: string) => {
    await writeFile(join(own, 'a.css'), content)
    return createAssets({ directory: own }).url('a.css')
  }
  const first = await urlOf('a{}')
  t.not(await urlOf('b{}'), first)
  t.is(await urlOf('a{}'), first)
})

test('a file of an unknown kind is refused at the start', async (t) => {
  const own = await mkdtemp(join(tmpdir(), 'assets-'))
  t.teardown(() => rm(own, { recursive: true }))
  await writeFile(join(own, 'notes.txt'), 'x')
  t.throws(() => createAssets({ directory: own }), { message: /notes\.txt/ })
})

test('the style sheet is small and asks nobody else for anything', (t) => {
  const assets = createAssets({ directory })
  const css = assets.find(assets.url('app.css'))?.body.toString() ?? ''
  t.true(css.length < 12_000, `${css.length} bytes`)
  t.notRegex(css, /@import|url\(|https?:|@font-face/)
})
