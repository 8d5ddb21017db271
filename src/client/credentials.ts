/** How a client proves itself: a key, a token that somebody else gets, or tokens that it gets with its own credentials. */
import { perform, shared, type Transport } from './call.ts'
import { CredentialsError, ProblemError, type Received } from './errors.ts'
import { discoverTokenEndpoint } from './discovery.ts'

export type Credentials = ApiKeyCredentials | ClientCredentials | TokenCredentials

export interface ApiKeyCredentials {
  /** `grk_…` */
  apiKey: string
}

export interface ClientCredentials {
  clientId: string
  clientSecret: string
  /** Separated by spaces. Left out: what the server gives without being asked. */
  scope?: string
  /** The resource indicator of the API (RFC 8707). Left out: the one that the scopes belong to. */
  resource?: string
  /** As it was registered; `client_secret_basic` unless given. */
  authMethod?: 'client_secret_basic' | 'client_secret_post'
}

export interface TokenCredentials {
  /** @param rejected the token that was just refused; the same again is not sent */
  token: (rejected?: string) => Promise<string>
}

export interface TokenRequest {
  /** A token that was refused: it is not to be given again. */
  rejected: string | undefined
  withinMs: number
  signal?: AbortSignal | undefined
}

export interface BearerSource {
  token(request: TokenRequest): Promise<string>
  /** Whether asking again can give another one. */
  renewable: boolean
}

export interface BearerOptions {
  transport: Transport
  /** Who gives tokens to client credentials. */
  issuer: string | undefined
  /** For fetching a token, whoever waits for it. */
  deadlineMs: number
}

export function createBearerSource(credentials: Credentials, options: BearerOptions): BearerSource {
  if ('apiKey' in credentials) {
    const value = requireText('apiKey', credentials.apiKey)
    return { renewable: false, token: () => Promise.resolve(value) }
  }
  if ('token' in credentials) {
    return { renewable: true, token: (request) => shared(credentials.token(request.rejected), request) }
  }
  return createTokenCache(credentials, options)
}

interface CachedToken {
  value: string
  /** By the clock; from here on a new one is fetched. */
  staleAt: number
}

/** A new token is fetched this long before the old one ends, but for short-lived ones, of whose life it is a tenth. */
const MARGIN_MS = 30_000

/** One token for everyone, fetched once however many wait for it. */
function createTokenCache(credentials: ClientCredentials, options: BearerOptions): BearerSource {
  const { clock } = options.transport
  const fetchToken = createTokenFetch(credentials, options)
  let cached: CachedToken | undefined
  let flight: Promise<CachedToken> | undefined
  const start = () =>
    (flight ??= fetchToken()
      .then((token) => (cached = token))
      .finally(() => (flight = undefined)))
  return {
    renewable: true,
    token: async ({ rejected, ...limits }) => {
      // Only the token that was refused: another caller may have replaced it meanwhile.
      if (cached && cached.value !== rejected && clock.now() < cached.staleAt) return cached.value
      return (await shared(start(), limits)).value
    },
  }
}

/** client_credentials (RFC 6749 §4.4) at the endpoint that the issuer's metadata names, which is asked for once. */
function createTokenFetch(credentials: ClientCredentials, { transport, issuer, deadlineMs }: BearerOptions) {
  if (issuer === undefined) throw new TypeError('client credentials need the issuer')
  const { authorization, body } = tokenRequest(credentials)
  const headers = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    ...(authorization !== undefined && { authorization }),
  }
  let endpoint: URL | undefined
  return async (): Promise<CachedToken> => {
    endpoint ??= await discoverTokenEndpoint(transport, issuer, deadlineMs)
    const asked = transport.clock.now()
    // Asked twice, the issuer makes two tokens, and nobody is harmed.
    const call = { method: 'POST', url: endpoint, headers, body, keyed: true, deadlineMs }
    const { value, seconds } = readToken(await refusalsOf(() => perform(transport, call)))
    return { value, staleAt: asked + seconds * 1000 - Math.min(MARGIN_MS, seconds * 100) }
  }
}

function tokenRequest({ clientId, clientSecret, scope, resource, authMethod }: ClientCredentials) {
  requireText('clientId', clientId)
  requireText('clientSecret', clientSecret)
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (scope !== undefined) form.set('scope', scope)
  if (resource !== undefined) form.set('resource', resource)
  if (authMethod === 'client_secret_post') {
    form.set('client_id', clientId)
    form.set('client_secret', clientSecret)
    return { body: form.toString(), authorization: undefined }
  }
  // RFC 6749 §2.3.1: form-encoded each, before the colon joins them.
  const pair = [clientId, clientSecret].map((part) => new URLSearchParams({ '': part }).toString().slice(1))
  return { body: form.toString(), authorization: `Basic ${Buffer.from(pair.join(':')).toString('base64')}` }
}

/** OAuth says no in a language of its own (RFC 6749 §5.2). */
async function refusalsOf(work: () => Promise<Received>): Promise<Received> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status >= 500 || error.status === 429) throw error
    throw refusal(error)
  }
}

function refusal({ status, body }: ProblemError): CredentialsError {
  const { error, error_description: description } = jsonObject(body)
  const name = typeof error === 'string' ? error : undefined
  const why = [name ?? `status ${status}`, ...(typeof description === 'string' ? [description] : [])].join(': ')
  return new CredentialsError(`the issuer gave no token: ${why}`, { error: name, status })
}

function readToken({ text, status }: Received): { value: string; seconds: number } {
  const { access_token: value, token_type: type, expires_in: seconds } = jsonObject(text)
  // RFC 6749 §7.1: a token of a type that one does not know must not be used.
  if (typeof value !== 'string' || value === '' || typeof type !== 'string' || type.toLowerCase() !== 'bearer') {
    throw new CredentialsError('the issuer answered without a bearer token', { status })
  }
  return { value, seconds: typeof seconds === 'number' && seconds > 0 ? seconds : 0 }
}

function jsonObject(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    return {}
  }
}

function requireText(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !/[^\x20-\x7e]/.test(value)) return value
  throw new TypeError(`${name} must be a line of text`)
}
