import { randomBytes } from 'node:crypto'
import type { AdapterPayload, Client as ProtocolClient } from 'oidc-provider'
import { hasSecret } from '../../registry/clients/client.ts'
import { boundGrantTypes } from '../../registry/clients/self-registered.ts'
import type { ActiveClient, ClientKind, ClientProfile, TokenAccess } from '../../registry/clients/client.ts'

/** What the registry says of a client beyond the protocol's own metadata. */
export interface Policy {
  /** `cli_…`, by which the registry knows it, whatever its client_id is. */
  id: string
  kind: ClientKind
  firstParty: boolean
  builtIn: boolean
  selfRegistered: boolean
  profile: ClientProfile
  openidScopes: string[]
  access: TokenAccess[]
  /** Audiences whose access tokens it may exchange. */
  exchangeFrom: string[]
  allowedOrigins: string[]
  /** SHA-256 of each live secret, base64url. */
  secretDigests: string[]
}

/** The name under which the policy rides along in the client's metadata. */
export const POLICY = 'grantry'

/** The one page of our own that signs in like an app. */
export const ACCOUNT_CALLBACK = '/account/callback'

// The library wants a secret for clients that authenticate with one. Ours are compared by digest (see model-rules.ts); this
// value only fills the place, is never compared, and is unknown to everybody.
const PLACEHOLDER = randomBytes(32).toString('base64url')

export function toMetadata(client: ActiveClient, issuer: string): AdapterPayload {
  const policy: Policy = {
    id: client.id,
    kind: client.kind,
    firstParty: client.firstParty,
    builtIn: client.builtIn,
    selfRegistered: client.selfRegistered,
    profile: client.profile,
    openidScopes: client.openidScopes,
    access: client.access,
    exchangeFrom: client.exchangeFrom,
    allowedOrigins: client.allowedOrigins,
    secretDigests: client.secrets.map(({ digest }) => digest.toString('base64url')),
  }
  const grantTypes = client.selfRegistered ? boundGrantTypes(client.grantTypes) : client.grantTypes
  return {
    client_id: client.metadataUrl ?? client.id,
    client_name: client.name,
    application_type: client.kind === 'native' ? 'native' : 'web',
    grant_types: grantTypes,
    response_types: grantTypes.includes('authorization_code') ? ['code'] : [],
    redirect_uris: client.builtIn ? [issuer + ACCOUNT_CALLBACK] : client.redirectUris,
    post_logout_redirect_uris: client.builtIn ? [`${issuer}/account`] : client.postLogoutRedirectUris,
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    // RS256 is what every client knows; the FAPI 2.0 Security Profile rules it out (§5.4).
    id_token_signed_response_alg: client.profile === 'fapi2' ? 'ES256' : 'RS256',
    authorization_signed_response_alg: client.profile === 'fapi2' ? 'ES256' : 'RS256',
    dpop_bound_access_tokens: client.dpopBoundAccessTokens,
    ...(client.openidScopes.length > 0 ? { scope: client.openidScopes.join(' ') } : {}),
    ...(hasSecret(client.tokenEndpointAuthMethod) ? { client_secret: PLACEHOLDER } : {}),
    ...(client.jwks ? { jwks: client.jwks } : {}),
    require_pushed_authorization_requests: client.requirePar,
    [POLICY]: policy,
  } as AdapterPayload
}

export function policyOf(client: ProtocolClient): Policy {
  return client[POLICY] as Policy
}
