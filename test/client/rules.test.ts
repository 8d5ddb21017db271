/** The rules of repetition, by property. */
import test from 'ava'
import { NetworkError } from '../../src/client/errors.ts'
import { backoffMs, createRetryBudget, isWorthRepeating, retryAfterMs } from '../../src/client/repetition.ts'
import { fc } from '../support/property.ts'

const NOW = Date.UTC(2030, 0, 1)
const after = (value: string, date?: string) =>
  retryAfterMs(new Headers({ 'retry-after': value, ...(date !== undefined && { date }) }), NOW)

test('Retry-After is read in all its forms, and nothing else is taken for one', (t) => {
  t.is(after('120'), 120_000)
  t.is(after(' 0 '), 0)
  t.is(after('Tue, 01 Jan 2030 00:00:30 GMT'), 30_000)
  t.is(after('Tuesday, 01-Jan-30 00:00:30 GMT'), 30_000, 'RFC 850')
  t.is(after('Tue Jan  1 00:00:30 2030'), 30_000, 'asctime')
  t.is(after('Mon, 31 Dec 2029 23:59:00 GMT'), 0, 'past')
  t.is(after('Tue, 01 Jan 2030 00:00:30 GMT', 'Tue, 01 Jan 2030 00:00:10 GMT'), 20_000)
  for (const junk of [
    '',
    '-1',
    '1.5',
    '1e3',
    'soon',
    '0x10',
    'Tue, 99 Foo 2030 00:00:30 GMT',
    '99999999999',
    '7 days',
  ]) {
    t.is(after(junk), undefined, junk)
  }
  t.is(retryAfterMs(new Headers(), NOW), undefined)
})

test('any number of seconds and any second as a date say the same', (t) => {
  const property = fc.property(fc.integer({ min: 0, max: 10_000_000 }), (seconds) => {
    return after(String(seconds)) === after(new Date(NOW + seconds * 1000).toUTCString())
  })
  t.notThrows(() => fc.assert(property))
})

test('the wait is between nothing and twice the one before, up to five seconds', (t) => {
  t.deepEqual(
    [0, 1, 2, 5, 6, 50, 2000].map((n) => backoffMs(n, () => 1)),
    [100, 200, 400, 3200, 5000, 5000, 5000],
  )
  t.is(
    backoffMs(3, () => 0),
    0,
  )
})

test('repetitions never exceed the free ones and a tenth of the calls', (t) => {
  const property = fc.property(fc.nat(20), fc.array(fc.boolean(), { maxLength: 400 }), (minimum, steps) => {
    const budget = createRetryBudget(minimum, () => NOW)
    let [calls, repeated] = [0, 0]
    for (const isCall of steps) {
      if (isCall) {
        budget.deposit()
        calls += 1
      } else if (budget.withdraw()) repeated += 1
    }
    return repeated <= minimum + calls / 10
  })
  t.notThrows(() => fc.assert(property))
})

test('ten calls pay for one repetition, and the free ones come back in ten seconds', (t) => {
  let now = NOW
  const none = createRetryBudget(0, () => now)
  for (let i = 0; i < 9; i++) none.deposit()
  t.false(none.withdraw())
  none.deposit()
  t.true(none.withdraw())
  t.false(none.withdraw())

  const some = createRetryBudget(2, () => now)
  t.deepEqual([some.withdraw(), some.withdraw(), some.withdraw()], [true, true, false])
  now += 5_000
  t.deepEqual([some.withdraw(), some.withdraw()], [true, false])
  now += 3_600_000
  t.deepEqual([some.withdraw(), some.withdraw(), some.withdraw()], [true, true, false])
})

test('a certificate that does not fit is not tried again', (t) => {
  const cause = Object.assign(new Error('expired'), { code: 'CERT_HAS_EXPIRED' })
  const get = { method: 'GET', keyed: false }
  t.false(isWorthRepeating(new NetworkError('', { sent: false, cause }), get))
  t.true(isWorthRepeating(new NetworkError('', { sent: false }), get))
})
