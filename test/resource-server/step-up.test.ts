/** An API asks for a better or a more recent sign-in (RFC 9470). */
import test from 'ava'
import { createTokenVerifier, TokenError, type VerifyOptions } from '../../src/resource-server/index.ts'
import { startFakeIssuer, type FakeIssuer } from '../support/fake-issuer.ts'

const audience = 'https://api.example.com'
let issuer: FakeIssuer
test.before(async () => {
  issuer = await startFakeIssuer({ audience })
})
test.after.always(() => issuer.stop())

const seconds = (offset: number) => Math.floor(Date.now() / 1000) + offset

async function outcome(claims: Record<string, unknown>, options: VerifyOptions): Promise<TokenError | undefined> {
  const verifier = createTokenVerifier({ issuer: issuer.url, audience })
  const token = await issuer.accessToken({ claims })
  const error: unknown = await verifier.verify(token, options).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error !== undefined && !(error instanceof TokenError)) throw error
  return error
}

test('a sign-in of one of the kinds, and recent enough, passes', async (t) => {
  const claims = { acr: 'strong', auth_time: seconds(-50) }
  t.is(await outcome(claims, { acr: ['stronger', 'strong'], maxAgeSeconds: 60 }), undefined)
  t.is(await outcome({}, {}), undefined)
})

const weak: [string, Record<string, unknown>, VerifyOptions][] = [
  ['of another kind', { acr: 'weak' }, { acr: ['strong'] }],
  ['that says no kind', {}, { acr: ['strong'] }],
  ['whose kind is a list', { acr: ['strong'] }, { acr: ['strong'] }],
  ['of too long ago', { auth_time: seconds(-70) }, { maxAgeSeconds: 60 }],
  ['that says no time', {}, { maxAgeSeconds: 60 }],
  ['whose time is a text', { auth_time: String(seconds(0)) }, { maxAgeSeconds: 60 }],
  ['that is strong but old', { acr: 'strong', auth_time: seconds(-70) }, { acr: ['strong'], maxAgeSeconds: 60 }],
]
for (const [what, claims, options] of weak) {
  test(`a sign-in ${what} is refused, and the challenge says what would do`, async (t) => {
    const error = await outcome(claims, { ...options, scope: 'orders:read' })
    t.deepEqual([error?.status, error?.error], [401, 'insufficient_user_authentication'])
    const challenge = error?.challenge ?? ''
    t.regex(challenge, /^Bearer .*error="insufficient_user_authentication".*scope="orders:read"/)
    t.is(/acr_values="([^"]*)"/.exec(challenge)?.[1], options.acr?.join(' '))
    t.is(/max_age="([^"]*)"/.exec(challenge)?.[1], options.maxAgeSeconds?.toString())
  })
}

test('too little scope is said before the sign-in: another sign-in would not mend it', async (t) => {
  t.is((await outcome({}, { scope: 'orders:delete', acr: ['strong'] }))?.error, 'insufficient_scope')
})
