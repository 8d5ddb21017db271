import test, { type ExecutionContext } from 'ava'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  createLocalJWKSet,
  decodeProtectedHeader,
  importJWK,
  jwtVerify,
  SignJWT,
  type JWK,
  type JSONWebKeySet,
} from 'jose'
import Provider, { type Adapter } from 'oidc-provider'
import { buildKeySet, type KeySet } from '../../src/keys/key-set.ts'
import {
  generateKey,
  openPrivate,
  signingAlgs,
  type KeyState,
  type SigningAlg,
  type SigningKey,
} from '../../src/keys/signing-key.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { signingKeys } from '../../src/oidc/signing-keys.ts'

const masterKeys = parseMasterKeys(newMasterKey())
const states: readonly KeyState[] = ['previous', 'next', 'current']

test.serial('only the current key signs; the others are published and still verify', async (t) => {
  // In the most misleading order: if order alone decided, the retired key would sign.
  const keys = await Promise.all(signingAlgs.flatMap((alg) => states.map((state) => makeKey(alg, state))))
  const set = buildKeySet(keys, signingAlgs)
  const issuer = await startProvider(t, set)

  const published = (await (await fetch(`${issuer}/jwks`)).json()) as JSONWebKeySet
  t.deepEqual(
    published,
    JSON.parse(JSON.stringify(set.publicJwks)),
    'what we call public is what the provider publishes',
  )
  t.is(published.keys.length, 9)

  for (const alg of signingAlgs) {
    const token = await issueToken(issuer, alg)
    const header = decodeProtectedHeader(token)
    t.is(header.alg, alg)
    t.is(header.kid, kidOf(keys, alg, 'current'))
    t.is(header.kid, set.signers[alg])
    await t.notThrowsAsync(jwtVerify(token, createLocalJWKSet(published), { issuer, algorithms: [alg], typ: 'at+jwt' }))
  }

  for (const state of states) {
    const key = keys.find((each) => each.alg === 'RS256' && each.state === state)
    t.is(await logOut(issuer, key!.privateJwk), 200, `an ID token of the ${state} key still identifies at logout`)
  }
})

test.serial('an ID token whose key is gone no longer identifies at logout', async (t) => {
  const [current, gone] = await Promise.all([makeKey('RS256', 'current'), makeKey('RS256', 'previous')])
  const issuer = await startProvider(t, buildKeySet([current], ['RS256']))
  t.is(await logOut(issuer, current.privateJwk), 200)
  t.is(await logOut(issuer, gone.privateJwk), 400)
})

test.serial('the order in which keys are read does not decide which one signs', async (t) => {
  const keys = await Promise.all([makeKey('RS256', 'next'), makeKey('RS256', 'current')])
  const { jwks, ...rest } = buildKeySet(keys, ['RS256'])
  const issuer = await startProvider(t, { ...rest, jwks: { keys: jwks.keys.toReversed() } })
  t.is(decodeProtectedHeader(await issueToken(issuer, 'RS256')).kid, kidOf(keys, 'RS256', 'current'))
})

async function makeKey(alg: SigningAlg, state: KeyState): Promise<SigningKey> {
  const { kid, publicJwk, privateSealed } = await generateKey(alg, masterKeys)
  const privateJwk = openPrivate(masterKeys, kid, privateSealed)
  return {
    kid,
    alg,
    state,
    publicJwk,
    privateJwk,
    publishedAt: new Date(),
    activatedAt: undefined,
    retiredAt: undefined,
  }
}

function kidOf(keys: SigningKey[], alg: SigningAlg, state: KeyState): string | undefined {
  return keys.find((key) => key.alg === alg && key.state === state)?.kid
}

/** A real provider with these keys, one machine client, and one resource for each algorithm. */
async function startProvider(t: ExecutionContext, set: KeySet): Promise<string> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    jwks: signingKeys(set),
    clients: [
      {
        client_id: 'machine',
        client_secret: 'secret',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    adapter: () => forgetful,
    ttl: { ClientCredentials: 60, Session: 60 },
    features: {
      devInteractions: { enabled: false },
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: (ctx, form) => void (ctx.body = form) },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: '',
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: new URL(resource).hostname.toUpperCase().replace('ED', 'Ed') as 'RS256' } },
        }),
      },
    },
  })
  server.on('request', provider.callback())
  return issuer
}

/** Nothing here is about what is stored. */
const forgetful: Adapter = {
  upsert: async () => undefined,
  find: async () => undefined,
  findByUid: async () => undefined,
  findByUserCode: async () => undefined,
  consume: async () => undefined,
  destroy: async () => undefined,
  revokeByGrantId: async () => undefined,
}

async function issueToken(issuer: string, alg: SigningAlg): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: 'machine',
      client_secret: 'secret',
      resource: `https://${alg.toLowerCase()}`,
    }),
  })
  return ((await response.json()) as { access_token: string }).access_token
}

/** @returns the status of the logout page when an ID token signed with this key is the hint */
async function logOut(issuer: string, key: JWK): Promise<number> {
  const hint = await new SignJWT({ sub: 'someone' })
    .setProtectedHeader({ alg: key.alg!, kid: key.kid! })
    .setIssuer(issuer)
    .setAudience('machine')
    .setIssuedAt(1)
    .setExpirationTime(2)
    .sign(await importJWK(key))
  const response = await fetch(`${issuer}/session/end?id_token_hint=${hint}`)
  return response.status
}
