/**
 * The process to compare with: the protocol library alone, with the same kinds of tokens and its state in a Map. What it needs
 * is the floor for any server that is built on it. Started by library.ts; PORT, ISSUER and CLIENTS come in the environment.
 */
import { exportJWK, generateKeyPair } from 'jose'
import { Provider, type Adapter, type AdapterPayload, type Configuration } from 'oidc-provider'
import { createServer } from 'node:http'
import { AUDIENCES, OPAQUE, PERSON_SCOPE, REDIRECT_URI, SCOPES, type SeededClient } from './names.ts'
import type { SignatureAlgorithm } from '../scenario.ts'

const { PORT, ISSUER = '', CLIENTS = '{}' } = process.env
const { app, service } = JSON.parse(CLIENTS) as Record<'app' | 'service', SeededClient>

const provider = new Provider(ISSUER, await configuration())
provider.proxy = true
const handle = provider.callback()

createServer((req, res) => {
  const { pathname } = new URL(req.url ?? '/', ISSUER)
  if (pathname === '/health/ready') res.end()
  else if (pathname.startsWith('/interaction/')) void signIn(req, res)
  else void handle(req, res)
}).listen(Number(PORT), '127.0.0.1')
process.once('SIGTERM', () => process.exit(0))

/** Everybody is signed in at once and allows everything: what happens here is never measured. */
async function signIn(...[req, res]: Parameters<Provider['interactionDetails']>): Promise<void> {
  const login = { accountId: `usr_${performance.now()}` }
  await provider.interactionFinished(req, res, { login, consent: {} })
}

async function configuration(): Promise<Configuration> {
  const algorithms = Object.entries(AUDIENCES).map(([alg, audience]) => [audience, alg as SignatureAlgorithm] as const)
  const algorithmOf = new Map(algorithms)
  const keys = await Promise.all(algorithms.map(([, alg]) => newKey(alg)))
  return {
    adapter: createMemoryAdapter(),
    jwks: { keys },
    clients: [
      {
        client_id: app.id,
        client_secret: app.secret,
        redirect_uris: [REDIRECT_URI],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      },
      {
        client_id: service.id,
        client_secret: service.secret,
        redirect_uris: [],
        grant_types: ['client_credentials'],
        response_types: [],
      },
    ],
    routes: {
      authorization: '/authorize',
      token: '/token',
      introspection: '/introspect',
      userinfo: '/userinfo',
      jwks: '/jwks',
    },
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
    cookies: { keys: ['a secret that nobody guesses'] },
    findAccount: (_ctx, sub) => ({
      accountId: sub,
      claims: () => ({ sub, preferred_username: sub, name: sub, email: `${sub}@example.com` }),
    }),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    pkce: { required: () => true },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    async loadExistingGrant(ctx) {
      const { client, session } = ctx.oidc
      const known = session?.grantIdFor(client!.clientId)
      if (known) return provider.Grant.find(known)
      const grant = new provider.Grant({ clientId: client!.clientId, accountId: session!.accountId! })
      grant.addOIDCScope(`${PERSON_SCOPE} offline_access`)
      for (const audience of algorithmOf.keys()) grant.addResourceScope(audience, SCOPES.join(' '))
      await grant.save()
      return grant
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      userinfo: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, audience) => ({
          audience,
          scope: SCOPES.join(' '),
          accessTokenFormat: audience === OPAQUE ? 'opaque' : 'jwt',
          jwt: { sign: { alg: algorithmOf.get(audience) ?? 'RS256' } },
        }),
      },
    },
  }
}

async function newKey(alg: SignatureAlgorithm): Promise<object> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg }
}

/** State in this process, kept as it is handed over; nothing is ever forgotten, so nothing is spent on forgetting. */
function createMemoryAdapter(): (model: string) => Adapter {
  const stored = new Map<string, AdapterPayload>()
  const byUid = new Map<string, string>()
  const byGrant = new Map<string, string[]>()
  return (model) => {
    const keyOf = (id: string) => `${model}:${id}`
    return {
      async upsert(id, payload) {
        const key = keyOf(id)
        stored.set(key, payload)
        if (model === 'Session') byUid.set(payload.uid!, id)
        const { grantId } = payload
        if (grantId === undefined || model === 'Grant') return
        const keys = byGrant.get(grantId)
        if (keys) keys.push(key)
        else byGrant.set(grantId, [key])
      },
      find: async (id) => stored.get(keyOf(id)),
      findByUid: async (uid) => stored.get(keyOf(byUid.get(uid) ?? '')),
      findByUserCode: async () => undefined,
      async consume(id) {
        const payload = stored.get(keyOf(id))
        if (payload) payload.consumed = Math.floor(Date.now() / 1000)
      },
      destroy: async (id) => void stored.delete(keyOf(id)),
      async revokeByGrantId(grantId) {
        for (const key of byGrant.get(grantId) ?? []) stored.delete(key)
        byGrant.delete(grantId)
      },
    }
  }
}
