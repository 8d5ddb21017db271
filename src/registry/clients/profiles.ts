/**
 * Profiles: sets of rules that a client keeps to beyond those for all (RFC 9700). One switch sets what a profile asks for,
 * and what contradicts it is refused. What only shows in requests is enforced where they are answered.
 *
 *   mcp     the MCP authorization specification: where a token is for is always said (RFC 8707); https or loopback
 *   fapi2   the FAPI 2.0 Security Profile §5.3: pushed requests, DPoP, private_key_jwt, no RS256
 */
import { RegistryError } from '../registry-error.ts'
import type { ClientKind, ClientProfile, ClientSettings, GivenSettings, GrantType } from './client.ts'

/** What a profile sets where nothing else is said. */
export function profileDefaults(
  profile: ClientProfile,
  grantTypes: readonly GrantType[],
): Pick<GivenSettings, 'tokenEndpointAuthMethod' | 'dpopBoundAccessTokens' | 'requirePar'> {
  if (profile !== 'fapi2') return {}
  return {
    tokenEndpointAuthMethod: 'private_key_jwt',
    dpopBoundAccessTokens: true,
    requirePar: grantTypes.includes('authorization_code'),
  }
}

/** @throws RegistryError `invalid` with the field that contradicts the profile */
export function checkProfile(kind: ClientKind, settings: ClientSettings): void {
  if (settings.profile === 'mcp') checkMcp(settings)
  if (settings.profile === 'fapi2') checkFapi2(kind, settings)
}

function checkMcp({ redirectUris }: ClientSettings): void {
  if (redirectUris.some((uri) => !/^https?:/.test(uri))) {
    throw invalid('redirect_uris', 'profile mcp: redirect URIs are https, or http on loopback')
  }
}

function checkFapi2(kind: ClientKind, settings: ClientSettings): void {
  if (kind !== 'web' && kind !== 'service') {
    throw invalid('profile', `profile fapi2: a ${kind} client keeps no key of its own to prove itself with`)
  }
  if (settings.tokenEndpointAuthMethod !== 'private_key_jwt') {
    throw invalid('token_endpoint_auth_method', 'profile fapi2: clients authenticate by private_key_jwt (§5.3.2.1)')
  }
  if (!settings.dpopBoundAccessTokens) {
    throw invalid('dpop_bound_access_tokens', 'profile fapi2: access tokens are bound to a key (§5.3.2.1)')
  }
  if (settings.grantTypes.includes('authorization_code') && !settings.requirePar) {
    throw invalid('require_par', 'profile fapi2: authorization requests are pushed (§5.3.2.2)')
  }
  if (settings.redirectUris.some((uri) => !uri.startsWith('https:'))) {
    throw invalid('redirect_uris', 'profile fapi2: redirect URIs are https (§5.3.2.2)')
  }
  if (settings.jwks?.keys.some(({ alg }) => alg === 'RS256')) {
    throw invalid('jwks', 'profile fapi2: keys sign with ES256, PS256 or Ed25519, not with RS256 (§5.4)')
  }
}

function invalid(field: string, message: string): RegistryError {
  return new RegistryError('invalid', message, field)
}
