/**
 * What an app says of itself (RFC 7591 §2), in the words of the registry. Values that a self-registered client can't have
 * are replaced where the app can live without (§3.2.1: the answer tells what was registered) and refused where it can't;
 * metadata that we don't know is passed over (§2).
 */
import { z } from 'zod'
import type { ClientKind, GivenSettings, OpenidScope, TokenEndpointAuthMethod } from '../registry/clients/client.ts'
import type { ClientKeys } from '../registry/clients/client-keys.ts'
import { redirectHost } from '../registry/clients/redirect-uri.ts'
import { boundGrantTypes } from '../registry/clients/self-registered.ts'

/** As it goes into `createClient`, beside what is the same for all of them. */
export type RegistrationInput = GivenSettings & { kind: ClientKind; name: string }

export interface RegistrationFault {
  error: 'invalid_client_metadata' | 'invalid_redirect_uri'
  description: string
}

const text = z.string().max(2000)
/** Each is an origin that the edge keeps in mind; nobody needs many. */
const uris = z.array(text).max(10)
const openidScopes = ['openid', 'profile', 'email', 'offline_access'] as const

const metadataSchema = z.object({
  redirect_uris: uris.optional(),
  post_logout_redirect_uris: uris.optional(),
  token_endpoint_auth_method: z
    .enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .optional(),
  jwks: z.looseObject({ keys: z.array(z.record(z.string(), z.unknown())).max(20) }).optional(),
  grant_types: z.array(text).max(20).optional(),
  response_types: z.array(text).max(20).optional(),
  application_type: z.enum(['web', 'native']).optional(),
  client_name: z.string().max(400).optional(),
  scope: text.optional(),
  subject_type: z.literal('public').optional(),
  id_token_signed_response_alg: z.literal('RS256').optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  require_pushed_authorization_requests: z.boolean().optional(),
})

/** What a client would prove itself with: registered without it, it would be surprised at its first request. */
const UNSUPPORTED = ['jwks_uri', 'tls_client_certificate_bound_access_tokens'] as const

/** @returns what to register, or what is wrong with it */
export function readMetadata(value: unknown): RegistrationInput | RegistrationFault {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return fault('the client metadata must be a JSON object')
  }
  const { success, data, error } = metadataSchema.safeParse(value)
  if (!success) return faultOf(error)
  const unsupported = UNSUPPORTED.find((name) => name in value)
  if (unsupported) return fault(`${unsupported} is not supported`)
  const grantTypes = boundGrantTypes(data.grant_types ?? ['authorization_code'])
  if (!grantTypes.includes('authorization_code')) {
    return fault(
      'grant_types must have authorization_code: a client that registers itself may use that and refresh_token',
    )
  }
  const strange = data.response_types?.find((type) => type !== 'code')
  if (strange !== undefined) return fault('response_types may have code and nothing else')
  const redirectUris = data.redirect_uris ?? []
  if (redirectUris.length === 0) return redirectFault('redirect_uris must have at least one URI')

  const method = data.token_endpoint_auth_method ?? 'client_secret_basic'
  const kind = kindOf(method, data.application_type, redirectUris)
  return {
    kind,
    name: data.client_name ?? redirectHost(redirectUris[0] ?? ''),
    tokenEndpointAuthMethod: method,
    grantTypes,
    redirectUris,
    postLogoutRedirectUris: data.post_logout_redirect_uris,
    // Scripts may redeem a code where it arrives, on a page of that origin; a native app may show itself in a browser.
    allowedOrigins: kind === 'web' ? [] : originsOf(redirectUris),
    openidScopes: openidScopesOf(data.scope, grantTypes.includes('refresh_token')),
    dpopBoundAccessTokens: data.dpop_bound_access_tokens,
    requirePar: data.require_pushed_authorization_requests,
    jwks: data.jwks as ClientKeys | undefined,
  }
}

export function isFault(read: RegistrationInput | RegistrationFault): read is RegistrationFault {
  return 'error' in read
}

/**
 * Without a secret it runs in a browser or on a device, and the redirect URIs say which: those on loopback are an app's,
 * which may listen on another port each time (RFC 8252 §7.3), whether or not it calls itself native.
 */
function kindOf(method: TokenEndpointAuthMethod, applicationType: string | undefined, uris: string[]): ClientKind {
  if (method !== 'none') return 'web'
  const isNative = applicationType === 'native' || uris.every((uri) => uri.startsWith('http:'))
  return isNative ? 'native' : 'spa'
}

/**
 * Of what it wishes, what is of OpenID; scopes of resources are looked up when they are asked for. An app that refreshes may
 * ask for `offline_access` as soon as discovery names it, whether or not it wished for it before (MCP authorization,
 * refresh tokens); it gets no more by it than its grant gives.
 */
function openidScopesOf(scope: string | undefined, refreshes: boolean): OpenidScope[] {
  const wished = new Set(scope?.split(' ') ?? openidScopes)
  if (refreshes) wished.add('openid').add('offline_access')
  const known = openidScopes.filter((name) => wished.has(name) && (name !== 'offline_access' || refreshes))
  return known.includes('openid') ? known : []
}

function originsOf(redirectUris: string[]): string[] {
  return [...new Set(redirectUris.flatMap((uri) => (/^https?:/.test(uri) ? (URL.parse(uri)?.origin ?? []) : [])))]
}

function faultOf(error: z.ZodError): RegistrationFault {
  const [issue] = error.issues
  const [field = 'the metadata'] = issue?.path ?? []
  const told = `${String(field)}: ${issue?.message ?? 'is not valid'}`
  return field === 'redirect_uris' ? redirectFault(told) : fault(told)
}

function fault(description: string): RegistrationFault {
  return { error: 'invalid_client_metadata', description }
}

function redirectFault(description: string): RegistrationFault {
  return { error: 'invalid_redirect_uri', description }
}
