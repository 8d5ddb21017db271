import test from 'ava'
import { createFormats } from '../../src/interactions/pages/formats.ts'
import { clean, html, isolate, linkable, toHtml, visible } from '../../src/interactions/pages/html.ts'
import { messagesIn } from '../../src/interactions/pages/messages/index.ts'
import { describeUserAgent } from '../../src/interactions/pages/user-agent.ts'

const en = createFormats('en')
const de = createFormats('de')

test('durations are told in their two largest units', (t) => {
  t.is(en.duration(300), '5 minutes')
  t.is(en.duration(1), '1 second')
  t.is(en.duration(5400), '1 hour, 30 minutes')
  t.is(en.duration(90_061), '1 day, 1 hour')
  t.is(en.duration(0), '0 seconds')
  t.is(de.duration(90 * 86_400), '90 Tage')
  t.is(de.duration(3600), '1 Stunde')
})

test('a wait is never told shorter than it is', (t) => {
  t.is(en.wait(0.2), 'in 1 second')
  t.is(en.wait(95), 'in 95 seconds')
  t.is(en.wait(121), 'in 3 minutes')
  t.is(de.wait(7201), 'in 3 Stunden')
})

test('moments name their time zone and stay readable for machines', (t) => {
  const date = new Date('2026-03-02T23:05:00Z')
  t.is(String(en.moment(date)), '<time datetime="2026-03-02T23:05:00.000Z">2 March 2026, 23:05 UTC</time>')
  t.is(String(de.day(date)), '<time datetime="2026-03-02T23:05:00.000Z">2. März 2026</time>')
})

test('the past is told in whole units, and a clock that runs ahead is now', (t) => {
  const now = new Date('2026-03-02T12:00:00Z')
  const told = (iso: string) => String(en.ago(new Date(iso), now, 'just now')).replace(/<[^>]*>/g, '')
  t.is(told('2026-03-02T11:59:30Z'), 'just now')
  t.is(told('2026-03-02T12:30:00Z'), 'just now')
  t.is(told('2026-03-02T10:01:00Z'), '1 hour ago')
  t.is(told('2026-03-01T11:00:00Z'), 'yesterday')
  t.is(told('2024-01-01T00:00:00Z'), '2 years ago')
})

test('names lose what would let them pose as something else, and keep what their script needs', (t) => {
  t.is(clean('App\u202Egnp.exe'), 'Appgnp.exe')
  t.is(clean('a\u200B\u2060\uFEFFb\u00ADc'), 'abc')
  t.is(clean(' two\nlines\u2028here\0 '), 'two lines here')
  t.is(clean('می\u200Cخواهم'), 'می\u200Cخواهم')
  t.is(clean('👩\u200D💻'), '👩\u200D💻')
  t.is(clean(`Z${'\u0308'.repeat(50)}`), `Z${'\u0308'.repeat(4)}`)
  t.is(clean('\uD800x'), '\uFFFDx')
})

test('a name of which nothing can be seen is replaced', (t) => {
  t.is(visible('\u200D \u3164\u202E', 'nameless'), 'nameless')
  t.is(visible(' x ', 'nameless'), 'x')
  t.is(String(isolate('<i>')), '<bdi>&lt;i&gt;</bdi>')
})

test('an html template escapes everything but html', (t) => {
  t.is(String(html`<b>${`"<'&>`}</b>${html`<i>${1}</i>`}`), '<b>&quot;&lt;&#39;&amp;&gt;</b><i>1</i>')
})

test('a page refuses to print what is not text', (t) => {
  for (const value of [undefined, null, Number.NaN, {}, [], true, new Date()]) {
    t.throws(() => toHtml(value), { instanceOf: TypeError })
  }
})

test('only web addresses and our own paths become links', (t) => {
  t.is(linkable('https://app.example.com/a?b=c'), 'https://app.example.com/a?b=c')
  t.is(linkable('http://localhost:4000'), 'http://localhost:4000/')
  t.is(linkable('/account?x=1'), '/account?x=1')
  for (const address of [
    'javascript:alert(1)',
    ' \tjava\nscript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'com.example.app:/cb',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/a\\..\\b',
    'https://user:pass@evil.example/',
    'evil.example',
    '',
  ]) {
    t.is(linkable(address), null, address)
  }
  t.is(linkable(null), null)
})

test('browsers are called by the names that people know', (t) => {
  const webkit = 'AppleWebKit/537.36 (KHTML, like Gecko)'
  const known: [string | null, string | null, string | null][] = [
    [`Mozilla/5.0 (X11; Linux x86_64) ${webkit} Chrome/156.0.0.0 Safari/537.36`, 'Chrome', 'Linux'],
    [
      `Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${webkit} Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0`,
      'Edge',
      'Windows',
    ],
    [
      `Mozilla/5.0 (Linux; Android 16) ${webkit} SamsungBrowser/29.0 Chrome/140.0 Mobile Safari/537.36`,
      'Samsung Internet',
      'Android',
    ],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 15.7; rv:145.0) Gecko/20100101 Firefox/145.0', 'Firefox', 'macOS'],
    [`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${webkit} Version/26.0 Safari/605.1.15`, 'Safari', 'macOS'],
    [
      `Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) ${webkit} CriOS/156.0 Mobile/15E148 Safari/604.1`,
      'Chrome',
      'iOS',
    ],
    [
      `Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) ${webkit} EdgiOS/140.0 Version/18.0 Mobile Safari/604.1`,
      'Edge',
      'iPadOS',
    ],
    [`Mozilla/5.0 (X11; CrOS x86_64 16000.0.0) ${webkit} Chrome/156.0.0.0 Safari/537.36`, 'Chrome', 'ChromeOS'],
    [`Mozilla/5.0 (Windows NT 10.0) ${webkit} Chrome/150.0 Safari/537.36 OPR/120.0`, 'Opera', 'Windows'],
    ['curl/8.5.0', 'curl', null],
    ['something else', null, null],
    [null, null, null],
  ]
  for (const [header, browser, system] of known) t.deepEqual(describeUserAgent(header), { browser, system })
})

test('a user agent of a megabyte is read in no time', (t) => {
  const before = process.cpuUsage()
  describeUserAgent('Version/1 '.repeat(100_000))
  t.true(process.cpuUsage(before).user < 500_000) // microseconds of work, however busy the machine is
})

test('no sentence was left untranslated', (t) => {
  const words = (value: unknown, path = ''): [string, string][] => {
    if (typeof value === 'string') return [[path, value]]
    if (typeof value === 'function') {
      const filled = (value as (...values: unknown[]) => unknown)(...Array.from({ length: value.length }, () => 'X'))
      return [[path, String(filled)]]
    }
    return Object.entries(value as object).flatMap(([key, inner]) => words(inner, `${path}.${key}`))
  }
  const german = new Map(words(messagesIn('de')))
  const alike = words(messagesIn('en')).filter(([path, sentence]) => german.get(path) === sentence)
  t.deepEqual(alike.map(([path]) => path).sort(), ['.consent.site', '.product'])
})
