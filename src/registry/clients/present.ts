import type { Client, ClientSecretHint, ResourceAccess } from './client.ts'

/** What may leave the server of a client. There is no secret in it, only the hints. */
export interface PresentedClient {
  id: string
  kind: Client['kind']
  name: string
  token_endpoint_auth_method: Client['tokenEndpointAuthMethod']
  grant_types: Client['grantTypes']
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  backchannel_logout_uri: string | null
  backchannel_logout_session_required: boolean
  allowed_origins: string[]
  openid_scopes: Client['openidScopes']
  first_party: boolean
  profile: Client['profile']
  dpop_bound_access_tokens: boolean
  require_par: boolean
  jwks: Client['jwks']
  exchange_from: string[]
  built_in: boolean
  self_registered: boolean
  metadata_url: string | null
  disabled: boolean
  disabled_at: string | null
  access?: { resource_id: string; audience: string; scopes: string[] }[]
  secrets?: { id: string; hint: string; created_at: string; expires_at: string | null }[]
  version: number
  created_at: string
  updated_at: string
}

/** A client of a list, or with its details when they are at hand. Times are ISO 8601 in UTC. */
export function presentClient(
  client: Client & { access?: ResourceAccess[]; secrets?: ClientSecretHint[] },
): PresentedClient {
  return {
    id: client.id,
    kind: client.kind,
    name: client.name,
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    grant_types: client.grantTypes,
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: client.postLogoutRedirectUris,
    backchannel_logout_uri: client.backchannelLogoutUri,
    backchannel_logout_session_required: client.backchannelLogoutSessionRequired,
    allowed_origins: client.allowedOrigins,
    openid_scopes: client.openidScopes,
    first_party: client.firstParty,
    profile: client.profile,
    dpop_bound_access_tokens: client.dpopBoundAccessTokens,
    require_par: client.requirePar,
    jwks: client.jwks,
    exchange_from: client.exchangeFrom,
    built_in: client.builtIn,
    self_registered: client.selfRegistered,
    metadata_url: client.metadataUrl,
    disabled: client.disabledAt !== null,
    disabled_at: client.disabledAt?.toISOString() ?? null,
    ...(client.access ? { access: client.access.map(presentAccess) } : {}),
    ...(client.secrets ? { secrets: client.secrets.map(presentSecret) } : {}),
    version: client.version,
    created_at: client.createdAt.toISOString(),
    updated_at: client.updatedAt.toISOString(),
  }
}

function presentAccess({ resourceId, audience, scopes }: ResourceAccess) {
  return { resource_id: resourceId, audience, scopes }
}

/** A secret as far as it may be told. */
export function presentSecret({ id, hint, createdAt, expiresAt }: ClientSecretHint) {
  return { id, hint, created_at: createdAt.toISOString(), expires_at: expiresAt?.toISOString() ?? null }
}
