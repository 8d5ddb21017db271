/**
 * What the profile of a client asks of its requests (see registry/clients/profiles.ts for what it asks of its registration).
 * An error says which rule was broken, for whoever develops the client.
 */
import { errors, Provider, type Client, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import type { ResourceSigningAlg } from '../../registry/resources/resource.ts'
import { policyOf } from './client-metadata.ts'

/**
 * Refresh tokens are rotated, so that a stolen one is found out (RFC 9700 §4.14.2). Those of the FAPI 2.0 Security Profile
 * are of no use without the client's key, and must not be (§5.3.2.1): a rotation lost on the way would cost the grant.
 */
export const rotateRefreshToken: NonNullable<Configuration['rotateRefreshToken']> = ({ oidc }) =>
  !oidc.client || policyOf(oidc.client).profile !== 'fapi2'

/**
 * What an access token of this client is signed with. FAPI 2.0 §5.4.1 rules RS256 out for everything that the server signs;
 * every verifier of `grantry/resource-server` takes ES256 unless its API says otherwise.
 * @param wanted what the API asks for
 */
export function accessTokenAlgorithm(client: Client, wanted: ResourceSigningAlg): ResourceSigningAlg {
  return policyOf(client).profile === 'fapi2' && wanted === 'RS256' ? 'ES256' : wanted
}

/** The library's own rules for it: redirect_uri in every request, and small ones besides. */
export const fapi: NonNullable<Configuration['features']>['fapi'] = {
  enabled: true,
  profile: (_ctx, client) => (client && policyOf(client).profile === 'fapi2' ? '2.0' : undefined),
}

/** @throws InvalidTarget for a client that must always say where its token is for, when it has not */
export function requireResource({ oidc }: KoaContextWithOIDC, client: Client): void {
  if (policyOf(client).profile !== 'mcp' || oidc.params?.resource !== undefined) return
  throw new errors.InvalidTarget('profile mcp: resource is required in every request for a code or token (RFC 8707)')
}

/** @throws InvalidClientAuth for an assertion that the client's profile rules out */
export function requireAssertionAlgorithm(client: Client, alg: unknown): void {
  if (policyOf(client).profile !== 'fapi2' || alg !== 'RS256') return
  const rule = 'profile fapi2: assertions are signed with ES256, PS256 or Ed25519, not with RS256 (§5.4)'
  // The library tells nobody why authentication failed; this is no secret, and else nobody would find it.
  throw Object.assign(new errors.InvalidClientAuth(rule), { error_description: rule })
}

interface OidcContext {
  ctx: KoaContextWithOIDC
  route: string
  entity: (this: OidcContext, name: string, value: unknown) => void
}

/** Judges requests where the library gives no place of its own for it. */
export function enforceProfiles(provider: Provider): void {
  requirePushedRequests(provider)
  requireResourceOfExchanges(provider)
  nameMissingProof(provider)
}

/** When the library tells its context whose authorization request it is. */
function requirePushedRequests(provider: Provider): void {
  const context = (provider as unknown as { OIDCContext: { prototype: OidcContext } }).OIDCContext.prototype
  const { entity } = context
  if (!entity) throw new Error('the library no longer tells its context what it has found')
  context.entity = function (this: OidcContext, name, value) {
    entity.call(this, name, value)
    if (name === 'Client' && this.route === 'authorization') requirePushed(this.ctx, value as Client)
  }
}

function requirePushed(ctx: KoaContextWithOIDC, client: Client): void {
  if (policyOf(client).profile !== 'fapi2' || ctx.query.request_uri !== undefined) return
  throw new errors.InvalidRequest('profile fapi2: authorization requests must be pushed (FAPI 2.0 §5.3.2.2, RFC 9126)')
}

/**
 * Just before a code or refresh token is used up, so that the refusal costs nothing. What was used before is not used up
 * again: it is found out as a replay.
 */
function requireResourceOfExchanges(provider: Provider): void {
  const { AuthorizationCode, RefreshToken, DeviceCode } = provider
  for (const model of [AuthorizationCode, RefreshToken, DeviceCode]) {
    const prototype = model.prototype as unknown as { consume: (this: object) => Promise<void> }
    const { consume } = prototype
    if (!consume) throw new Error('the library no longer uses codes up in consume')
    prototype.consume = async function () {
      const { ctx } = Provider
      if (ctx?.oidc.route === 'token' && ctx.oidc.client) requireResource(ctx, ctx.oidc.client)
      await consume.call(this)
    }
  }
}

/** Of a proof that is not there the library only says that the grant is invalid. */
function nameMissingProof(provider: Provider): void {
  provider.use(async (ctx, next) => {
    await next()
    const { route, client } = ctx.oidc ?? {}
    if (route !== 'token' || ctx.status !== 400 || !client || ctx.get('DPoP') !== '') return
    const body = ctx.body as { error?: string; error_description?: string } | undefined
    if (policyOf(client).profile !== 'fapi2' || body?.error !== 'invalid_grant') return
    body.error_description = 'profile fapi2: every request for a token needs a DPoP proof (FAPI 2.0 §5.3.2.1, RFC 9449)'
  })
}
