/**
 * An authorization server of cardboard, for tests of what stands outside: real HTTP on a port of its own, real keys, and
 * exactly as much protocol as an API or the playground page meets. It can be stopped and started again on its port, turns
 * its keys over on demand, and counts who asks for what.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
} from 'jose'

export interface FakeIssuer {
  readonly url: string
  /** Requests seen so far, by path. */
  readonly requests: Map<string, number>
  /** The `Cache-Control` of the key set. */
  cacheControl: string
  /** Seconds in which a used refresh token gives its successor again. */
  reuseWindowSeconds: number
  /** Milliseconds by which every answer is late. */
  delayMs: number
  /** Replaces the body of a path; a function is asked each time. */
  readonly overrides: Map<string, unknown>
  readonly keys: SigningKey[]
  /** A new key at the front; the old ones stay published. */
  rotate(alg?: string): Promise<SigningKey>
  /** An access token as it should be, but for what is given. A claim or parameter given as undefined is left out. */
  accessToken(changes?: TokenChanges): Promise<string>
  /** Opens the port again. */
  start(): Promise<void>
  /** Drops all connections and closes the port. */
  stop(): Promise<void>
}

export interface SigningKey {
  kid: string
  alg: string
  publicKey: CryptoKey
  privateKey: CryptoKey
  jwk: JWK
}

export interface TokenChanges {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
  key?: SigningKey
}

export interface FakeIssuerOptions {
  audience: string
  /** Claims of the person who is always signed in. */
  user?: Record<string, unknown>
  accessTokenSeconds?: number
}

export async function startFakeIssuer(options: FakeIssuerOptions): Promise<FakeIssuer> {
  const requests = new Map<string, number>()
  const overrides = new Map<string, unknown>()
  const keys: SigningKey[] = []
  let server: Server | undefined
  let port = 0

  const issuer: FakeIssuer = {
    get url() {
      return `http://localhost:${port}`
    },
    requests,
    overrides,
    keys,
    cacheControl: 'public, max-age=300',
    reuseWindowSeconds: 10,
    delayMs: 0,
    async rotate(alg = 'RS256') {
      const key = await newKey(alg)
      keys.unshift(key)
      return key
    },
    accessToken: (changes = {}) => signAccessToken(issuer, options, changes),
    async start() {
      server = createServer((request, response) => void answer(request, response))
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      port = (server.address() as AddressInfo).port
    },
    async stop() {
      server?.closeAllConnections()
      server?.close()
      server = undefined
      await Promise.resolve()
    },
  }
  const protocol = createProtocol(issuer, options)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', issuer.url)
    requests.set(url.pathname, (requests.get(url.pathname) ?? 0) + 1)
    if (issuer.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, issuer.delayMs))
    const override = overrides.get(url.pathname)
    if (typeof override === 'function') return void override(request, response)
    if (override !== undefined) return sendJson(response, 200, override)
    await protocol(url, request, response)
  }

  await issuer.rotate()
  await issuer.start()
  return issuer
}

function metadata({ url }: FakeIssuer) {
  return {
    issuer: url,
    authorization_endpoint: `${url}/auth`,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/jwks`,
    end_session_endpoint: `${url}/session/end`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  }
}

async function newKey(alg: string): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const kid = randomUUID()
  return { kid, alg, publicKey, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

async function signAccessToken(issuer: FakeIssuer, options: FakeIssuerOptions, changes: TokenChanges): Promise<string> {
  const key = changes.key ?? issuer.keys[0]!
  const iat = Math.floor(Date.now() / 1000)
  const claims = {
    iss: issuer.url,
    aud: options.audience,
    sub: 'usr_ada',
    client_id: 'cli_playground',
    scope: 'orders:read orders:write',
    jti: randomUUID(),
    iat,
    exp: iat + (options.accessTokenSeconds ?? 300),
    ...changes.claims,
  }
  return sign(key, { typ: 'at+jwt', ...changes.header }, claims)
}

async function sign(
  key: SigningKey,
  header: Record<string, unknown>,
  claims: Record<string, unknown>,
): Promise<string> {
  const protectedHeader = { alg: key.alg, kid: key.kid, ...header } as JWTHeaderParameters
  // Through JSON, so that what is given as undefined is absent.
  const absent = JSON.parse(JSON.stringify({ protectedHeader, claims })) as {
    protectedHeader: JWTHeaderParameters
    claims: JWTPayload
  }
  return new SignJWT(absent.claims).setProtectedHeader(absent.protectedHeader).sign(key.privateKey)
}

interface Family {
  clientId: string
  scope: string
  nonce?: string | undefined
  isDead: boolean
  /** Refresh tokens, oldest first. */
  chain: { token: string; usedAt?: number }[]
}

/** Authorization without a question, tokens, rotation with a window, and a logout that goes straight back. */
function createProtocol(issuer: FakeIssuer, options: FakeIssuerOptions) {
  const codes = new Map<string, { challenge: string; family: Family }>()
  const families: Family[] = []

  async function tokens(response: ServerResponse, family: Family, refreshToken: string): Promise<void> {
    const iat = Math.floor(Date.now() / 1000)
    const user = { sub: 'usr_ada', ...options.user }
    const common = { sub: user.sub, auth_time: iat, acr: 'urn:grantry:acr:password' }
    const claims = { ...common, client_id: family.clientId, scope: family.scope }
    const idClaims = {
      ...user,
      ...common,
      iss: issuer.url,
      aud: family.clientId,
      iat,
      exp: iat + 3600,
      nonce: family.nonce,
    }
    sendJson(response, 200, {
      access_token: await issuer.accessToken({ claims }),
      token_type: 'Bearer',
      expires_in: options.accessTokenSeconds ?? 300,
      scope: family.scope,
      refresh_token: refreshToken,
      id_token: await sign(issuer.keys[0]!, { typ: 'JWT' }, idClaims),
    })
  }

  function authorize(url: URL, response: ServerResponse): void {
    const asked = url.searchParams
    const code = randomUUID()
    const family = {
      clientId: asked.get('client_id') ?? '',
      scope: asked.get('scope') ?? '',
      nonce: asked.get('nonce') ?? undefined,
      isDead: false,
      chain: [],
    }
    codes.set(code, { challenge: asked.get('code_challenge') ?? '', family })
    const back = new URL(asked.get('redirect_uri') ?? '/')
    back.search = new URLSearchParams({ code, state: asked.get('state') ?? '', iss: issuer.url }).toString()
    redirect(response, back.href)
  }

  async function exchange(form: URLSearchParams, response: ServerResponse): Promise<void> {
    const found = codes.get(form.get('code') ?? '')
    codes.delete(form.get('code') ?? '')
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    if (!found || found.challenge !== challenge) return invalidGrant(response)
    families.push(found.family)
    found.family.chain.push({ token: randomUUID() + randomUUID() })
    await tokens(response, found.family, found.family.chain[0]!.token)
  }

  async function refresh(form: URLSearchParams, response: ServerResponse): Promise<void> {
    const presented = form.get('refresh_token')
    const family = families.find(({ chain }) => chain.some(({ token }) => token === presented))
    if (!family || family.isDead) return invalidGrant(response)
    const index = family.chain.findIndex(({ token }) => token === presented)
    const entry = family.chain[index]!
    const successor = family.chain[index + 1]
    if (
      entry.usedAt !== undefined &&
      (Date.now() - entry.usedAt > issuer.reuseWindowSeconds * 1000 || successor?.usedAt !== undefined)
    ) {
      family.isDead = true
      return invalidGrant(response)
    }
    entry.usedAt ??= Date.now()
    if (!successor) family.chain.push({ token: randomUUID() + randomUUID() })
    await tokens(response, family, family.chain[index + 1]!.token)
  }

  return async (url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('access-control-allow-origin', '*')
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()
    if (url.pathname.startsWith('/.well-known/')) return sendJson(response, 200, metadata(issuer))
    if (url.pathname === '/jwks') {
      response.setHeader('cache-control', issuer.cacheControl)
      return sendJson(response, 200, { keys: issuer.keys.map(({ jwk }) => jwk) })
    }
    if (url.pathname === '/auth') return authorize(url, response)
    if (url.pathname === '/session/end')
      return redirect(response, url.searchParams.get('post_logout_redirect_uri') ?? '/')
    if (url.pathname !== '/token') return void response.writeHead(404).end()
    const form = new URLSearchParams(await text(request))
    await (form.get('grant_type') === 'refresh_token' ? refresh(form, response) : exchange(form, response))
  }
}

async function text(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

function invalidGrant(response: ServerResponse): void {
  sendJson(response, 400, { error: 'invalid_grant', error_description: 'grant request is invalid' })
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location }).end()
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
