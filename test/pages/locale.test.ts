import test from 'ava'
import { fc } from '../support/property.ts'
import { chooseLocale, type LanguageWishes, type Locale } from '../../src/interactions/pages/locale.ts'

const chooses = test.macro({
  exec: (t, wishes: LanguageWishes, expected: Locale) => t.is(chooseLocale(wishes), expected),
  title: (_: string | undefined, wishes: LanguageWishes, expected: Locale) =>
    `${JSON.stringify(wishes)} is answered in ${expected}`,
})

test(chooses, {}, 'en')
test(chooses, { uiLocales: 'de' }, 'de')
test(chooses, { uiLocales: 'de', acceptLanguage: 'en' }, 'de')
test(chooses, { uiLocales: 'fr de en' }, 'de')
test(chooses, { uiLocales: 'fr', acceptLanguage: 'de' }, 'de')
test(chooses, { uiLocales: 'de-CH-1996' }, 'de')
test(chooses, { uiLocales: 'DE-at' }, 'de')
test(chooses, { uiLocales: '' }, 'en')
test(chooses, { acceptLanguage: 'de-DE,de;q=0.9,en;q=0.8' }, 'de')
test(chooses, { acceptLanguage: 'en;q=0.5, de;q=0.7' }, 'de')
test(chooses, { acceptLanguage: 'en, de' }, 'en')
test(chooses, { acceptLanguage: 'de;q=0, en;q=0.1' }, 'en')
test(chooses, { acceptLanguage: 'de;q=0' }, 'en')
test(chooses, { acceptLanguage: '*' }, 'en')
test(chooses, { acceptLanguage: 'fr-FR, *;q=0.5, de;q=0.1' }, 'de')
test(chooses, { acceptLanguage: 'den, deu, de_DE' }, 'en')
test(chooses, { acceptLanguage: 'de;q=2' }, 'en')
test(chooses, { acceptLanguage: 'de;q=abc, en' }, 'en')
test(chooses, { acceptLanguage: 'de ; q=0.4 , en ; q=0.3' }, 'de')
test(chooses, { acceptLanguage: ',,;;q=,-,de' }, 'de')

test('whatever is sent as a wish, a language is chosen', (t) => {
  const anything = fc.oneof(fc.string({ unit: 'binary' }), fc.anything())
  fc.assert(
    fc.property(anything, anything, (uiLocales, acceptLanguage) => {
      t.regex(chooseLocale({ uiLocales, acceptLanguage } as LanguageWishes), /^(?:en|de)$/)
    }),
  )
})

test('a wish of a megabyte costs no more than a short one', (t) => {
  const before = process.cpuUsage()
  t.is(chooseLocale({ uiLocales: `${'x-'.repeat(500_000)}de`, acceptLanguage: 'a'.repeat(1_000_000) }), 'en')
  t.true(process.cpuUsage(before).user < 500_000) // microseconds of work, however busy the machine is
})
