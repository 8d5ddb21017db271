import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from '../../.build/build.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { testDatabaseUrl } from '../support/database.ts'
import { bareEnvironment } from '../support/environment.ts'
import { freePort } from '../support/free-port.ts'

const root = join(import.meta.dirname, '..', '..')

test('what is built starts by itself, and has its pages, its playground and its reference with it', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'grantry-build-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  const dist = join(directory, 'dist')
  await build(dist, { check: false })
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  for (const file of ['src/demo/playground/index.html', 'src/demo/main.js']) t.true(existsSync(join(dist, file)), file)

  const port = await freePort()
  const issuer = `http://localhost:${port}`
  const env = {
    ...bareEnvironment,
    DATABASE_URL: await testDatabaseUrl(t),
    DATA_DIR: directory,
    MASTER_KEY: newMasterKey(),
    ISSUER: issuer,
    PORT: String(port),
    DEMO_PORT: 'off',
  }
  const child = spawn(process.execPath, [join(dist, 'main.js')], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  let said = ''
  const isReady = new Promise<boolean>((resolve) => {
    child.stdout.on('data', (text) => (said += String(text)).includes(issuer) && resolve(true))
    child.once('exit', () => resolve(false))
  })
  t.true(await isReady, said)
  for (const path of ['/health/ready', '/logout', '/api/docs', '/api/openapi.json']) {
    t.is((await fetch(issuer + path)).status, 200, path)
  }
  child.kill('SIGTERM')
  t.deepEqual(await exited, [0, null])
})
