/** Scopes and PKCE against models of what they must be, over many made-up requests. */
import { createHash } from 'node:crypto'
import { fc } from '../support/property.ts'
import test from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { token, Visitor } from '../support/visitor.ts'

const SCOPES = ['a:read', 'a:write', 'b:read', 'b:write', 'c']
const OTHER = 'https://other.example.com'

let server: TestServer
const endings: (() => unknown)[] = []

test.before(async () => {
  server = await startAuthServer({ teardown: (fn) => void endings.unshift(fn) })
  for (const audience of [API, OTHER]) {
    const scopes = SCOPES.map((name) => ({ name, description: name, descriptionDe: null }))
    await buildResource(server.db, { audience, scopes })
  }
})

test.after.always(async () => {
  for (const end of endings) await end()
})

const subset = fc.subarray(SCOPES)

test('a service gets exactly what it asks for when all of it is registered, and invalid_scope otherwise', async (t) => {
  const registrations = fc.tuple(fc.subarray(SCOPES, { minLength: 1 }), subset)
  await fc.assert(
    fc.asyncProperty(registrations, subset, fc.constantFrom(API, OTHER), async ([here, there], asked, resource) => {
      const access = [
        { resource: API, scopes: here },
        ...(there.length > 0 ? [{ resource: OTHER, scopes: there }] : []),
      ]
      const client = await buildClient(server.db, { kind: 'service', access })
      const allowed = resource === API ? here : there
      const { status, body } = await token(server.issuer, client, {
        grant_type: 'client_credentials',
        resource,
        ...(asked.length > 0 ? { scope: asked.join(' ') } : {}),
      })
      const words = (text = '') => text.split(' ').filter(Boolean).toSorted()
      if (allowed.length === 0) t.is(body.error, 'invalid_target')
      else if (asked.every((scope) => allowed.includes(scope))) {
        t.is(status, 200, JSON.stringify(body))
        t.deepEqual(words(body.scope), (asked.length > 0 ? asked : allowed).toSorted())
      } else t.is(body.error, 'invalid_scope')
    }),
    { numRuns: 40 },
  )
})

test('a verifier opens a code exactly when its S256 is the challenge (RFC 7636 §4.6)', async (t) => {
  const person = await buildUser(server.db)
  const client = await buildClient(server.db, { firstParty: true, access: [] })
  const visitor = new Visitor(server.issuer)
  await visitor.authorize(client, person)
  const unreserved = fc.constantFrom(...'ABCXYZabcxyz0189-._~'.split(''))
  const verifier = fc.string({ unit: unreserved, minLength: 43, maxLength: 128 })
  const tamper = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => `${text.slice(0, -1)}${text.endsWith('A') ? 'B' : 'A'}`,
    (text) => text.slice(1),
    (text) => `${text}=`,
    (text) => createHash('sha256').update(text).digest('base64url'),
    () => '',
  )
  await fc.assert(
    fc.asyncProperty(verifier, tamper, async (secret, change) => {
      const code_challenge = createHash('sha256').update(secret).digest('base64url')
      const presented = change(secret)
      const { code } = await codeFor(visitor, client, code_challenge)
      const { status } = await token(server.issuer, client, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: client.redirect_uri,
        code_verifier: presented,
      })
      t.is(status, presented === secret ? 200 : 400, JSON.stringify([secret, presented]))
    }),
    { numRuns: 40 },
  )
})

async function codeFor(visitor: Visitor, client: TestClient, code_challenge: string): Promise<{ code: string }> {
  const { url } = visitor.request_uri(client, { parameters: { code_challenge } })
  return { code: new URL((await visitor.open(url)).url).searchParams.get('code') ?? '' }
}
