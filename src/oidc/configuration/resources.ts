/**
 * Resource servers (RFC 8707) and who may ask for what. By default the library hands any client any resource's scopes and
 * drops unknown scopes in silence; here a client gets what it is registered for, and anything else is an error that says so.
 */
import { errors, type Client, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider'
import { policyOf, type Policy } from './client-metadata.ts'
import { accessTokenAlgorithm, requireResource } from './profiles.ts'
import type { ManagementRules } from './management.ts'

const MOST_RESOURCES = 20

export function resourceIndicators(management: ManagementRules) {
  return {
    enabled: true,
    // With a resource granted, a token request that names none gets a token for it, even beside `openid`.
    useGrantedResource: () => true,

    /** The resource of a request that names none: the client's only one, when the scopes point there. */
    defaultResource(
      ctx: KoaContextWithOIDC,
      client: Client,
      oneOf?: readonly string[],
    ): string | readonly string[] | undefined {
      if (oneOf) return oneOf.length === 1 ? oneOf[0] : oneOf
      requireResource(ctx, client)
      const { access } = policyOf(client)
      const only = access.length === 1 ? access[0] : undefined
      const asksForIt =
        only && (wantsEverything(ctx) || requestedScopes(ctx).some((scope) => only.scopes.includes(scope)))
      if (asksForIt) return only.audience
      refuseForeignScopes(ctx, client, [])
      return undefined
    },

    /**
     * What a token for this resource may carry for this client.
     * @throws InvalidTarget for a resource that the client is not registered for, InvalidScope for such a scope
     */
    getResourceServerInfo(ctx: KoaContextWithOIDC, audience: string, client: Client): ResourceServer {
      const { params = {} } = ctx.oidc
      // The library asks once for each, the same one or not: a thousand in one body would be a thousand look-ups.
      if (Array.isArray(params.resource) && params.resource.length > MOST_RESOURCES)
        throw new errors.InvalidTarget('too many resources')
      const allowed = policyOf(client).access.find((access) => access.audience === audience)
      if (!allowed) throw new errors.InvalidTarget('the client is not registered for this resource')
      if (wantsEverything(ctx)) params.scope = allowed.scopes.join(' ')
      // A refresh that names no resource is for the one that was granted (RFC 8707 §2.2), and so are its scopes.
      else refuseForeignScopes(ctx, client, [audience, params.resource ?? []].flat() as string[])
      return {
        audience,
        scope: management.issuable(ctx, audience, policyOf(client), allowed.scopes).join(' '),
        accessTokenFormat: allowed.tokenFormat,
        ...(allowed.accessTokenTtl === null ? {} : { accessTokenTTL: allowed.accessTokenTtl }),
        // The library keeps only its own fields; `jwt` it keeps as it is, so the wanted claims ride along in it.
        jwt: {
          sign: { alg: accessTokenAlgorithm(client, allowed.signingAlg) },
          claims: allowed.tokenClaims,
        } as ResourceServer['jwt'],
      } as ResourceServer
    },
  }
}

/** RFC 6749 §3.3: without a scope, a service gets the default, which is all that it is registered for. */
function wantsEverything(
  ctx: KoaContextWithOIDC,
): ctx is KoaContextWithOIDC & { oidc: { params: { scope?: string } } } {
  const { params, route } = ctx.oidc
  return route === 'token' && params?.grant_type === 'client_credentials' && params.scope === undefined
}

/** An ungranted scope is `invalid_scope`, not silence: the client would find out only when the API says no. */
function refuseForeignScopes(ctx: KoaContextWithOIDC, client: Client, audiences: string[]): void {
  const allowed = allowedScopes(policyOf(client), audiences)
  const foreign = requestedScopes(ctx).find((scope) => !allowed.has(scope))
  if (foreign !== undefined) throw new errors.InvalidScope('the client is not registered for this scope', foreign)
}

function allowedScopes({ openidScopes, access }: Policy, audiences: string[]): Set<string> {
  const ofResources = access.filter(({ audience }) => audiences.includes(audience)).flatMap(({ scopes }) => scopes)
  return new Set([...openidScopes, ...ofResources])
}

function requestedScopes(ctx: KoaContextWithOIDC): string[] {
  const scope = ctx.oidc.params?.scope
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
}
