/** What a receiver accepts as a delivery of ours, judged by an independent implementation of Standard Webhooks. */
import { randomBytes } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { Webhook } from 'standardwebhooks'
import { verifyWebhook, WebhookVerificationError, type WebhookDelivery } from '../../src/client/index.ts'
import { signedHeaders } from '../../src/events/webhooks/signature.ts'
import { fc } from '../support/property.ts'

const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`
const [secret, other] = [newSecret(), newSecret()]
const id = 'evt_4711'
const data = { id, type: 'user.created', at: '2030-01-31T12:00:00.000Z', data: { note: 'Zoë 🦦' } }
const body = JSON.stringify({ type: 'user.created', timestamp: data.at, data })
const NOW = 1_900_000_000

/** A delivery made by somebody else's signer, received now. */
function delivery(changes: Partial<WebhookDelivery> = {}, signer = secret, text = body): WebhookDelivery {
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(NOW),
    'webhook-signature': new Webhook(signer).sign(id, new Date(NOW * 1000), text),
  }
  return { headers, body: text, secrets: secret, now: () => NOW * 1000, ...changes }
}

function refused(t: ExecutionContext, given: WebhookDelivery, code: string, message?: string) {
  const error = t.throws(() => verifyWebhook(given), { instanceOf: WebhookVerificationError }, message)
  t.is(error?.code as string, code, message)
}

test('what an independent signer signed is read, as text and as bytes', (t) => {
  const expected = { id, type: 'user.created', timestamp: data.at, data }
  t.deepEqual(verifyWebhook(delivery()) as unknown, expected)
  t.deepEqual(verifyWebhook(delivery({ body: Buffer.from(body) })) as unknown, expected)
  const inside = new Uint8Array(Buffer.concat([Buffer.from('xx'), Buffer.from(body), Buffer.from('y')]))
  t.deepEqual(verifyWebhook(delivery({ body: inside.subarray(2, -1) })) as unknown, expected)
})

test('what the server signs is accepted here and by an independent verifier, during a change of secrets too', (t) => {
  const timestamp = Math.floor(Date.now() / 1000)
  for (const [signing, receiving] of [
    [[secret], [secret]],
    [[other, secret], [secret]],
    [[other, secret], [other]],
    [[secret], [other, secret]],
  ] as const) {
    const headers = signedHeaders({ id, timestamp, body }, signing, { legacy: true })
    t.is(verifyWebhook({ headers, body, secrets: receiving }).id, id)
    const judged = receiving.map((one) => {
      try {
        return new Webhook(one).verify(body, headers)
      } catch {
        return undefined
      }
    })
    t.true(judged.some((message) => message !== undefined))
  }
})

test('headers may be of the platform, of Node, in any case, and joined where one came twice', (t) => {
  const given = delivery().headers as Record<string, string>
  const signature = given['webhook-signature'] ?? ''
  const upper = Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toUpperCase(), value]))
  const twice = new Headers(given)
  twice.set('webhook-signature', `v1,${randomBytes(32).toString('base64')}`)
  twice.append('webhook-signature', signature)
  const several = { ...given, 'webhook-signature': [`v1a,AAAA`, `v1,nothing ${signature}`] }
  for (const headers of [new Headers(given), upper, twice, several]) t.is(verifyWebhook(delivery({ headers })).id, id)
})

test('a missing header, a foreign signer and a body that was written anew are told apart', (t) => {
  const headers = delivery().headers as Record<string, string>
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    refused(t, delivery({ headers: { ...headers, [name]: undefined } }), 'missing-header')
    refused(t, delivery({ headers: { ...headers, [name]: ' ' } }), 'missing-header')
  }
  refused(t, delivery({}, other), 'no-match')
  refused(t, delivery({ body: JSON.stringify(JSON.parse(body), null, 1) }), 'no-match')
  refused(t, delivery({ headers: { ...headers, 'webhook-id': 'evt_4712' } }), 'no-match')
  refused(t, delivery({ headers: { ...headers, 'webhook-timestamp': 'now' } }), 'malformed')
  refused(t, delivery({ headers: { ...headers, 'webhook-id': [id, 'evt_4712'] } }), 'malformed')
  const { 'webhook-signature': signature = '' } = headers
  refused(t, delivery({ headers: { ...headers, 'webhook-signature': signature.replace('v1,', 'v2,') } }), 'no-match')
})

test('a replay is stale after five minutes, and a clock may differ by as much; both are rightly signed', (t) => {
  const at = (seconds: number) => delivery({ now: () => (NOW + seconds) * 1000 })
  for (const seconds of [-300, 300]) t.is(verifyWebhook(at(seconds)).id, id)
  refused(t, at(301), 'stale')
  refused(t, at(-301), 'in-the-future')
  refused(t, { ...at(11), toleranceSeconds: 10 }, 'stale')
  refused(t, { ...at(301), secrets: other }, 'no-match', 'of a forgery the age does not matter')
  refused(t, { ...at(0), toleranceSeconds: Number.NaN }, 'stale', 'nonsense does not switch the check off')
})

test('what is rightly signed and no event is malformed', (t) => {
  for (const text of ['', 'null', '[]', '{"type":1}', '{"type":"a","timestamp":"b"}', '{"type":"a"', 'grüße']) {
    refused(t, delivery({}, secret, text), 'malformed', text)
  }
})

test('a body that is no longer raw and secrets that are none are mistakes of the receiver', (t) => {
  const parsed = JSON.parse(body) as string
  t.throws(() => verifyWebhook(delivery({ body: parsed })), { instanceOf: TypeError, message: /raw/ })
  for (const secrets of [[], '', 'whsec_', 'whsec_c2hvcnQ=', 'not base64!', [secret, '']]) {
    t.throws(() => verifyWebhook(delivery({ secrets })), { instanceOf: TypeError, message: /secret/ })
  }
})

test('whichever byte is flipped, the delivery is refused', (t) => {
  const given = delivery()
  const headers = given.headers as Record<string, string>
  const parts = { ...headers, body }
  const places = Object.entries(parts).flatMap(([part, text]) =>
    Array.from({ length: Buffer.byteLength(text) }, (_, index) => ({ part, index })),
  )
  const property = fc.property(fc.constantFrom(...places), fc.integer({ min: 1, max: 255 }), (place, mask) => {
    const bytes = Buffer.from(parts[place.part as 'body'])
    bytes[place.index] = bytes[place.index]! ^ mask
    const changed =
      place.part === 'body' ? { body: bytes } : { headers: { ...headers, [place.part]: bytes.toString('latin1') } }
    try {
      verifyWebhook({ ...given, ...changed })
    } catch (error) {
      return error instanceof WebhookVerificationError
    }
    return false
  })
  fc.assert(property, { numRuns: 2000 })
  t.pass()
})
