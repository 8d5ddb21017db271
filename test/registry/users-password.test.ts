import { hash as argon2Hash } from 'argon2'
import test from 'ava'
import {
  createPasswordHasher,
  findPasswordProblem,
  HasherBusyError,
  passwordProblem,
} from '../../src/registry/users/password.ts'

const GOOD = 'lantern obstacle quiver marmalade'

test('fifteen characters are enough and fourteen are not, whatever they are made of', (t) => {
  t.is(findPasswordProblem('wovzpxqmhkdtyf'), 'too_short')
  t.is(findPasswordProblem('wovzpxqmhkdtyfn'), undefined)
  t.is(findPasswordProblem('żółćęąśźńżółćę'), 'too_short')
  t.is(findPasswordProblem('жпоаюыэъфщцйкен'), undefined)
  t.is(findPasswordProblem('🦊🐢🌵🍉🚲🎻🧭🪐🥨🦉🍄🛶🎈🧩'), 'too_short')
  t.is(findPasswordProblem('🦊🐢🌵🍉🚲🎻🧭🪐🥨🦉🍄🛶🎈🧩🪁'), undefined)
})

test('length counts characters after normalisation', (t) => {
  const fourteen = 'wovzpxqmhkdtye\u0301'
  t.is(Array.from(fourteen).length, 15)
  t.is(findPasswordProblem(fourteen), 'too_short')
  t.is(findPasswordProblem(`n${fourteen}`), undefined)
})

test('128 characters are taken, 129 are not, and a gigabyte is not even read', (t) => {
  const long = Array.from({ length: 129 }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7919) % 20000)))
  t.is(findPasswordProblem(long.slice(0, 128).join('')), undefined)
  t.is(findPasswordProblem(long.join('')), 'too_long')
  t.is(findPasswordProblem('a'.repeat(100_000_000)), 'too_long')
})

test('no kind of character is demanded: spaces, one case and no digit will do', (t) => {
  for (const fine of [
    GOOD,
    'correct camel battery magnet',
    '839201748563920',
    'der alte Kahn liegt vor Anker',
    'qxzv jwkp mbtd gfhy',
  ]) {
    t.is(passwordProblem(fine), undefined, fine)
  }
})

test('control characters and broken characters are refused', (t) => {
  for (const bad of [`${GOOD}\0`, `${GOOD}\n`, `${GOOD}\ud800`]) t.is(findPasswordProblem(bad), 'unusable_characters')
})

test('common long passwords are refused', (t) => {
  const common = [
    'aaaaaaaaaaaaaaaaaaaa',
    'abababababababab',
    'abcabcabcabcabcabc',
    '111111111111111',
    '123456789012345',
    '1234567890123456',
    'abcdefghijklmnop',
    'qwertyuiopasdfgh',
    'qwertzuiopasdfghjkl',
    '1qaz2wsx3edc4rfv',
    '1q2w3e4r5t6y7u8i9o',
    'zxcvbnmasdfghjkl',
    'passwordpassword',
    'PasswordPassword',
    'Password123456789',
    'Password12345678!',
    'p4ssw0rdp4ssw0rd',
    'P@ssw0rd-P@ssw0rd',
    'p-a-s-s-w-o-r-d-p-a-s-s-w-o-r-d',
    'letmeinletmein123',
    'iloveyouiloveyou',
    'administrator123',
    'adminadminadmin1',
    'Summer2024Summer2024',
    'Sommer2025!Winter2026',
    'welcome12345678',
    'changemechangeme',
    'correcthorsebatterystaple',
    'correct horse battery staple',
    'thequickbrownfoxjumpsoverthelazydog',
    'passwort1234567',
    'monkey monkey monkey',
    'football20202021',
    'qwerty1234567890',
    '987654321987654321',
    'pássword pássword',
  ]
  for (const password of common) t.is(findPasswordProblem(password), 'too_common', password)
})

test('the name of the place and of the person are refused, in disguise too', (t) => {
  const context = ['ada.lovelace', 'countess@analytical.example', 'Ada King']
  for (const password of [
    'my Grantry secret vault',
    'xx gr4ntry qpzmvbtkw',
    'zzq lovelace vbnt wkp',
    'zzq L0velace vbnt wkp',
    'adalovelace wkptqz',
    'Analytical zqpw vktx',
    'the countess zqpwxk',
  ]) {
    t.is(findPasswordProblem(password, context), 'contains_context', password)
  }
  t.is(findPasswordProblem('the lovely ace of example words', context), undefined)
})

test('the answer is a sentence for people', (t) => {
  t.regex(passwordProblem('short') ?? '', /^must be at least 15 characters/)
})

test('a hash is argon2id with 19 MiB, two passes and one lane, and opens for its password alone', async (t) => {
  const hasher = createPasswordHasher()
  const hash = await hasher.hash(GOOD)
  t.regex(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  t.deepEqual(await hasher.verify(hash, GOOD), { valid: true, needsRehash: false })
  t.deepEqual(await hasher.verify(hash, `${GOOD} `), { valid: false, needsRehash: false })
  t.not(await hasher.hash(GOOD), hash)
})

test('two ways to type one character are one password', async (t) => {
  const hasher = createPasswordHasher()
  const hash = await hasher.hash('wovzpxqmhkdty\u00e9')
  t.true((await hasher.verify(hash, 'wovzpxqmhkdtye\u0301')).valid)
})

test('a hash of another cost opens and asks to be made anew', async (t) => {
  const weak = await argon2Hash(GOOD, { memoryCost: 4096, timeCost: 2, parallelism: 1 })
  const hasher = createPasswordHasher()
  t.deepEqual(await hasher.verify(weak, GOOD), { valid: true, needsRehash: true })
  t.deepEqual(await hasher.verify(weak, 'wrong'), { valid: false, needsRehash: false })
})

test('nothing opens a missing or broken hash', async (t) => {
  const hasher = createPasswordHasher()
  for (const hash of [undefined, null, '', 'x', '$argon2id$v=19$m=1$broken', '$2b$10$abcdefghijklmnopqrstuv']) {
    for (const password of ['', GOOD, 'x'.repeat(2000)]) t.false((await hasher.verify(hash, password)).valid)
  }
})

test('an oversized or broken password never opens anything, not even what it would be cut or mended to', async (t) => {
  const hasher = createPasswordHasher()
  const empty = await argon2Hash('', { memoryCost: 1024, timeCost: 2, parallelism: 1 })
  t.false((await hasher.verify(empty, 'x'.repeat(2000))).valid)
  t.false((await hasher.verify(empty, '\ud800')).valid)
  const mended = await argon2Hash(`${GOOD}\ufffd`, { memoryCost: 1024, timeCost: 2, parallelism: 1 })
  t.false((await hasher.verify(mended, `${GOOD}\ud800`)).valid)
  await t.throwsAsync(hasher.hash('x'.repeat(1025)), { instanceOf: RangeError })
})

test.serial(
  'a missing account, a broken hash and an oversized password cost what a wrong password costs',
  async (t) => {
    const hasher = createPasswordHasher({ concurrency: 1 })
    const hash = await hasher.hash(GOOD)
    const cases: [string, string | undefined, string][] = [
      ['wrong', hash, 'not the password'],
      ['missing', undefined, 'not the password'],
      ['broken', '$argon2id$v=19$m=1$broken', 'not the password'],
      ['oversized', hash, 'x'.repeat(1_000_000)],
      ['ill-formed', hash, '\ud800'],
    ]
    // Processor time of the whole process, pool threads included: it does not count what other programs take.
    const samples = new Map<string, number[]>(cases.map(([name]) => [name, []]))
    // The least of several is what the work takes; more is what others do to the memory meanwhile. It is reached at once on a
    // quiet machine, and after more rounds on a busy one.
    const least = (name: string) => Math.min(...(samples.get(name) ?? []))
    const strays = () => cases.filter(([name]) => Math.abs(least(name) / least('wrong') - 1) >= 0.15)
    for (let round = 0; round < 15 || (round < 100 && strays().length > 0); round += 1) {
      for (const [name, known, password] of cases) {
        const before = process.cpuUsage()
        await hasher.verify(known, password)
        const { user, system } = process.cpuUsage(before)
        samples.get(name)?.push(user + system)
      }
    }
    const told = cases.map(([name]) => `${name}: ${least(name)} µs`)
    t.deepEqual(strays(), [], told.join(', '))
  },
)

test('a storm of passwords waits in a bounded line: whoever finds it full is turned away at once', async (t) => {
  const hasher = createPasswordHasher({ concurrency: 1, maxQueue: 3 })
  const results = await Promise.allSettled(Array.from({ length: 10 }, () => hasher.verify(undefined, 'x')))
  t.deepEqual(
    results.map(({ status }) => status),
    [...Array<string>(4).fill('fulfilled'), ...Array<string>(6).fill('rejected')],
  )
  t.true(results.every((result) => result.status === 'fulfilled' || result.reason instanceof HasherBusyError))
  t.false((await hasher.verify(undefined, 'x')).valid)
})
