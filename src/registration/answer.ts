import type { ClientDetails } from '../registry/clients/client.ts'

/**
 * What was registered (RFC 7591 §3.2.1): all of it, also where the app wished otherwise or nothing.
 * @param secret stands in this answer and nowhere else
 * @param wished the app's own metadata; its `scope` bounds the one that is told
 */
export function answerOf(client: ClientDetails, secret: string | undefined, wished: object): object {
  const scopes = [...client.openidScopes, ...client.access.flatMap((access) => access.scopes)]
  const asked = 'scope' in wished && typeof wished.scope === 'string' ? wished.scope.split(' ') : undefined
  const told = [...new Set(scopes)].filter((scope) => !asked || asked.includes(scope))
  return {
    client_id: client.id,
    client_id_issued_at: Math.floor(client.createdAt.getTime() / 1000),
    // 0: it does not expire of itself.
    ...(secret === undefined ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
    client_name: client.name,
    redirect_uris: client.redirectUris,
    ...(client.postLogoutRedirectUris.length > 0 ? { post_logout_redirect_uris: client.postLogoutRedirectUris } : {}),
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    grant_types: client.grantTypes,
    response_types: ['code'],
    application_type: client.kind === 'native' ? 'native' : 'web',
    ...(told.length > 0 ? { scope: told.join(' ') } : {}),
    id_token_signed_response_alg: 'RS256',
    ...(client.jwks ? { jwks: client.jwks } : {}),
    require_pushed_authorization_requests: client.requirePar,
    dpop_bound_access_tokens: client.dpopBoundAccessTokens,
  }
}
