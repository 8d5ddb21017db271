import test, { type ExecutionContext } from 'ava'
import { fc } from '../support/property.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'
import {
  agreeLoginNames,
  normalizeEmail,
  normalizeLogin,
  normalizeName,
  normalizeUsername,
  parseRoles,
} from '../../src/registry/users/user.ts'

const forms = {
  normalizeUsername,
  normalizeEmail,
  normalizeName,
  parseRole: (text: string) => parseRoles([text])[0] ?? '',
}

/** Text that often gets through, and text that tries not to. */
const nearlyValid = fc.oneof(
  fc.stringMatching(/^[ A-Za-z0-9._+-]{1,20}$/),
  fc.stringMatching(/^[A-Za-z0-9._+-]{1,12}@[A-Za-zÀ-ſ0-9-]{1,12}\.[A-Za-z]{2,6}$/),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({
    unit: fc.constantFrom(
      'a',
      'K',
      'ſ',
      'İ',
      'ı',
      'ß',
      'Å',
      'e',
      '\u0301',
      '@',
      '.',
      '１',
      'ﬁ',
      '\u200b',
      '\0',
      '\ud800',
    ),
    maxLength: 8,
  }),
)

function accepted(form: (text: string) => string, text: string): string | undefined {
  try {
    return form(text)
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'invalid') return undefined
    throw error
  }
}

for (const [name, form] of Object.entries(forms)) {
  test(`${name}: a normal form is its own normal form`, (t) => {
    const reached = { accepted: 0 }
    fc.assert(
      fc.property(nearlyValid, (text) => {
        const once = accepted(form, text)
        if (once === undefined) return true
        reached.accepted += 1
        return form(once) === once
      }),
      { numRuns: 2000 },
    )
    t.true(reached.accepted > 20)
  })

  test(`${name}: no accepted value holds a control character, NUL or lone surrogate`, (t) => {
    fc.assert(
      fc.property(
        nearlyValid,
        fc.constantFrom('\0', '\u0007', '\u007f', '\u0085', '\ud800', '\udc00'),
        fc.nat(20),
        (text, bad, at) => {
          const tainted = `a${text.slice(0, at)}${bad}${text.slice(at)}b`
          // A surrogate that lands beside its other half is no longer alone.
          fc.pre(!/[\ud800-\udfff]/.test(bad) || !tainted.isWellFormed())
          return accepted(form, tainted) === undefined
        },
      ),
    )
    t.pass()
  })
}

for (const [name, form] of Object.entries({ normalizeUsername, normalizeEmail, parseRole: forms.parseRole })) {
  test(`${name}: spellings that differ in case, width or surrounding space have one form`, (t) => {
    fc.assert(
      fc.property(nearlyValid, (text) => {
        const plain = accepted(form, text)
        if (plain === undefined) return true
        const wide = plain.replace(/[!-~]/g, (c) => String.fromCodePoint((c.codePointAt(0) ?? 0) + 0xfee0))
        return [plain.toUpperCase(), `  ${plain}\u00a0`, wide, wide.toUpperCase()].every(
          (spelling) => form(spelling) === plain,
        )
      }),
    )
    t.pass()
  })

  test(`${name}: two accepted forms never differ by case alone, and are plain ASCII`, (t) => {
    fc.assert(
      fc.property(nearlyValid, (text) => {
        const once = accepted(form, text)
        return once === undefined || (/^[!-~]+$/.test(once) && once === once.toLowerCase())
      }),
    )
    t.pass()
  })
}

test('a username is letters, digits and . _ + - between letters or digits, or an e-mail address', (t) => {
  for (const good of ['a', 'ada', 'ada.lovelace', 'a_b+c-d', '007', 'ada@example.com', 'a'.repeat(64)]) {
    t.is(normalizeUsername(good), good)
  }
  for (const bad of [
    '',
    ' ',
    '.ada',
    'ada-',
    'ada lovelace',
    'adä',
    'a/b',
    'a'.repeat(65),
    'ada@',
    '@example.com',
    'ada@example',
    'ада',
  ]) {
    refusal(t, () => normalizeUsername(bad), 'username')
  }
})

test('a username can not pass for an id', (t) => {
  refusal(t, () => normalizeUsername(`usr_${'a'.repeat(26)}`), 'username')
})

test('an e-mail address keeps one form, its domain in ASCII', (t) => {
  t.is(normalizeEmail(' Ada@Bücher.Example '), 'ada@xn--bcher-kva.example')
  t.is(normalizeEmail('ada@XN--bcher-kva.example'), 'ada@xn--bcher-kva.example')
  for (const bad of [
    'ada',
    'a b@example.com',
    'ada@1.2',
    'ada@127.0.0.1',
    'ada@%65xample.com',
    'ada@-a.com',
    'ada@a..com',
    '.a@example.com',
    `${'a'.repeat(65)}@example.com`,
    `a@${'b.'.repeat(130)}com`,
  ]) {
    refusal(t, () => normalizeEmail(bad), 'email')
  }
})

test('a name may be in any script and may not turn the reading direction', (t) => {
  t.is(normalizeName('  Ada  '), 'Ada')
  t.is(normalizeName('Jose\u0301'), 'José')
  t.is(normalizeName('李小龙'), '李小龙')
  t.is(normalizeName('😀'.repeat(200)), '😀'.repeat(200))
  for (const bad of ['', '   ', 'a\nb', 'a\u202eb', 'a'.repeat(201)]) refusal(t, () => normalizeName(bad), 'name')
})

test('roles come out once each and in order', (t) => {
  t.deepEqual(parseRoles(['support', 'Admin', 'admin ', 'billing:read']), ['admin', 'billing:read', 'support'])
  for (const bad of ['', '1st', 'two words', 'a'.repeat(64), 'ä']) refusal(t, () => parseRoles([bad]), 'roles')
  refusal(t, () => parseRoles(Array.from({ length: 51 }, (_, i) => `role${i}`)), 'roles')
})

test('what nobody can be called is no login name, and takes no time to tell', (t) => {
  for (const bad of ['', '\0', 'a b', '\ud800', "' or 1=1 --", 'x'.repeat(5_000_000)])
    t.is(normalizeLogin(bad), undefined)
  t.is(normalizeLogin(' ADA '), 'ada')
  t.is(normalizeLogin('Ada@Example.COM'), 'ada@example.com')
})

test("a username with an @ is the account's e-mail address; what is left out follows", (t) => {
  t.deepEqual(agreeLoginNames({ username: 'a@b.cc' }), { username: 'a@b.cc', email: 'a@b.cc' })
  t.deepEqual(agreeLoginNames({ username: 'ada', email: 'a@b.cc' }), { username: 'ada', email: 'a@b.cc' })
  const mail = { username: 'a@b.cc', email: 'a@b.cc' }
  t.deepEqual(agreeLoginNames({ email: 'n@b.cc' }, mail), { username: 'n@b.cc', email: 'n@b.cc' })
  t.deepEqual(agreeLoginNames({ username: 'ada' }, mail), { username: 'ada', email: 'a@b.cc' })
  refusal(t, () => agreeLoginNames({ username: 'a@b.cc', email: 'n@b.cc' }), 'email')
  refusal(t, () => agreeLoginNames({ email: null }, mail), 'email')
})

function refusal(t: ExecutionContext, act: () => unknown, field: string): void {
  const error = t.throws(act, { instanceOf: RegistryError })
  t.is(error?.code, 'invalid')
  t.is(error?.field, field)
}
