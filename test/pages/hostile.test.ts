/**
 * Whatever stands in a model, the page keeps its shape: the same elements with the same attributes as for harmless text.
 */
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { clean } from '../../src/interactions/pages/html.ts'
import type { PageModels, PageName } from '../../src/interactions/pages/models.ts'
import { createRenderer } from '../../src/interactions/pages/render.ts'
import { byTag, parseHtml, shapeOf, textOf, type Element } from './parse-html.ts'
import { NOW, SAMPLES } from './samples.ts'

const renderer = createRenderer({ directory: join(import.meta.dirname, '../../views'), now: () => NOW })

type Path = (string | number)[]

/** The states that show every field of their page. */
const FULL: [PageName, string][] = [
  ['login', 'wrong'],
  ['consent', 'usual'],
  ['logout', 'asked'],
  ['logged-out', 'app'],
  ['error', 'full'],
  ['expired', 'restart'],
  ['account', 'usual'],
  ['account', 'refused'],
]

/** Fields that choose among known words; the type keeps everything else out. */
const CHOICES = new Set(['login.error', 'consent.offline.bound', 'account.notice'])

/** Fields that become a link, or nothing when they are not an address. */
const ADDRESSES = new Set(['consent.clientUri', 'expired.restartUri'])

const NASTY = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onfocus='alert(1)' autofocus='",
  '</title></main><base href=//evil.example>',
  '<!--',
  ']]>',
  '&lt;script&gt;',
  '&#x3c;',
  'javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  '//evil.example',
  '<%= it.page %>',
  '%>',
  '${7*7}',
  '{{7*7}}',
  '`',
  '\\',
  '\u202Eevil',
  '\0',
  '\uD800',
  '\uDC00\uD83D',
  '\r\n\r\n',
  '\u2028',
  '__proto__',
  'constructor',
]

const hostile = fc
  .array(fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: 'binary', maxLength: 8 })), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join(''))

function textFields(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'string') return [path]
  if (typeof value !== 'object' || value === null || value instanceof Date) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    textFields(inner, [...path, Array.isArray(value) ? Number(key) : key]),
  )
}

function withField<T>(value: T, [key, ...rest]: Path, text: string): T {
  if (key === undefined) return text as T
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string | number, unknown>
  copy[key] = withField(copy[key], rest, text)
  return copy as T
}

function draw(page: PageName, model: unknown): Element {
  return parseHtml(renderer.render(page, 'en', model as PageModels[PageName]))
}

for (const [page, state] of FULL) {
  const model = SAMPLES[page][state as keyof (typeof SAMPLES)[PageName]] as unknown as PageModels[PageName]
  for (const path of textFields(model)) {
    const field = [page, ...path.filter((key) => typeof key === 'string')].join('.')
    if (CHOICES.has(field)) continue

    test(`${state} ${[page, ...path].join('.')}: hostile text changes words, never the page`, (t) => {
      const harmless = ADDRESSES.has(field) ? ['https://harmless.example/', 'no address'] : ['harmless', '']
      const shapes = new Set(harmless.map((text) => shapeOf(draw(page, withField(model, path, text)))))
      fc.assert(
        fc.property(hostile, (text) => {
          const root = draw(page, withField(model, path, text))
          if (!shapes.has(shapeOf(root))) throw new Error(`the page took another shape: ${textOf(root)}`)
          for (const link of byTag(root, 'a', 'link')) {
            const href = link.attributes.get('href') ?? ''
            if (!/^(?:https?:\/\/|\/(?![/\\]))/.test(href)) throw new Error(`a link leads to ${href}`)
          }
        }),
        { numRuns: 60 },
      )
      t.pass()
    })
  }
}

test('what cannot be seen in a name is not in the page', (t) => {
  const clientName = '\u202Epa\u200Bp\u2066 \uFEFFx'
  const root = draw('consent', { ...SAMPLES.consent.usual, clientName })
  t.true(textOf(root).includes('pap x'))
  t.notRegex(
    renderer.render('consent', 'en', { ...SAMPLES.consent.usual, clientName } as never),
    /[\u202E\u200B\u2066\uFEFF]/,
  )
})

test('a name that goes the other way is isolated wherever it stands in a sentence', (t) => {
  const name = SAMPLES.consent.rtl?.clientName ?? ''
  for (const page of ['login', 'consent', 'account'] as const) {
    const state = page === 'account' ? 'long' : 'rtl'
    const source = renderer.render(page, 'en', SAMPLES[page][state] as never)
    const body = source.slice(source.indexOf('<body>'))
    const bare = body.replaceAll(`<bdi>${clean(name)}</bdi>`, '')
    t.true(bare.length < body.length, page)
    t.false(bare.includes(clean(name)), page)
  }
})
