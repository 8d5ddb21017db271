/**
 * Tokens for the management API. What a client may ask for is its registration; what a person's token carries of it is
 * bounded by the person's roles, when it is asked for, when it is shown, and each time that it is issued. The API bounds it
 * once more at each request.
 */
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { managementAudience } from '../../registry/management-scopes.ts'
import { scopesOfRoles } from '../../registry/management-roles.ts'
import type { User } from '../../registry/users/user.ts'
import { policyOf, type Policy } from './client-metadata.ts'

const NOTHING_LEFT = 'the roles of this user allow none of the requested scopes of the management API'

type Scopes = Record<string, string[]>

/** A token that is about to be exchanged: authorization code or refresh token. */
interface Source {
  kind?: string | undefined
  scope?: string | undefined
  resource?: string | string[] | undefined
  consumed?: unknown
}

export interface ManagementRules {
  /**
   * What of these scopes, by audience, may be granted to a person with these roles. Other resources are none of our
   * business here; where nothing is left of one, it is gone.
   */
  allowed(resources: Scopes, roles: readonly string[]): Scopes
  /** Takes from the resource servers of an authorization request what the signed-in person may not have. */
  limitRequest(ctx: KoaContextWithOIDC): void
  /** Whether the signed-in person may have nothing of what was asked for of the management API. */
  leavesNothing(ctx: KoaContextWithOIDC): boolean
  /** @throws AccessDenied for such a request */
  refuseRequest(): never
  /**
   * Judges an exchange before anything of it is used up: a refusal must not cost the client its refresh token.
   * @throws InvalidGrant when the person's roles leave nothing of what the token was for
   */
  requireSomething(ctx: KoaContextWithOIDC, user: User, source: Source): void
  /**
   * What a token for this resource may carry, out of what the client is registered for.
   * @throws InvalidTarget for a client that never gets one
   */
  issuable(ctx: KoaContextWithOIDC, audience: string, client: Policy, registered: readonly string[]): string[]
}

export function createManagementRules(issuer: string): ManagementRules {
  const ours = managementAudience(issuer)
  const within = (scopes: readonly string[], roles: readonly string[]): string[] => {
    const may: ReadonlySet<string> = scopesOfRoles(roles)
    return scopes.filter((scope) => may.has(scope))
  }

  /** The management scopes that this request asks for and that its client may ask for. */
  function requested({ oidc }: KoaContextWithOIDC): string[] {
    const registered = oidc.client ? policyOf(oidc.client).access.find(({ audience }) => audience === ours) : undefined
    return registered?.scopes.filter((scope) => oidc.requestParamScopes.has(scope)) ?? []
  }

  return {
    allowed(resources, roles) {
      const bounded = Object.entries(resources).map(
        ([audience, scopes]) => [audience, audience === ours ? within(scopes, roles) : scopes] as const,
      )
      return Object.fromEntries(bounded.filter(([, scopes]) => scopes.length > 0))
    },

    limitRequest(ctx) {
      const server = ctx.oidc.resourceServers?.[ours]
      const user = userOf(ctx)
      if (server && user) server.scope = within([...server.scopes], user.roles).join(' ')
    },

    leavesNothing(ctx) {
      const user = userOf(ctx)
      const asked = requested(ctx)
      const isAsked = ctx.oidc.resourceServers?.[ours] !== undefined && asked.length > 0
      return isAsked && user !== undefined && within(asked, user.roles).length === 0
    },

    refuseRequest() {
      throw new errors.AccessDenied(NOTHING_LEFT)
    },

    requireSomething({ oidc }, user, source) {
      // A refresh token that was used before is a replay, and must be found out as one.
      if (source.kind === 'RefreshToken' && source.consumed) return
      const targets = [oidc.params?.resource ?? source.resource ?? []].flat()
      if (targets.length !== 1 || targets[0] !== ours) return
      const asked = words(oidc.params?.scope ?? source.scope)
      const granted = words(oidc.entities.Grant?.getResourceScope(ours)).filter((scope) => asked.includes(scope))
      if (granted.length > 0 && within(granted, user.roles).length === 0) {
        throw Object.assign(new errors.InvalidGrant(NOTHING_LEFT), { error_description: NOTHING_LEFT })
      }
    },

    issuable(ctx, audience, client, registered) {
      if (audience !== ours) return [...registered]
      // Nobody vouches for a client that registered itself.
      if (client.selfRegistered) throw new errors.InvalidTarget('the management API is not for this client')
      const actsForItself = ctx.oidc.params?.grant_type === 'client_credentials'
      if (actsForItself && client.kind !== 'service') {
        // It is registered for what its users may do, each within their roles; alone it would be bound by none.
        throw new errors.InvalidTarget('only a service client may use the management API without a user')
      }
      const user = userOf(ctx)
      return user ? within(registered, user.roles) : [...registered]
    },
  }
}

function userOf(ctx: KoaContextWithOIDC): User | undefined {
  return (ctx.oidc.account as { user?: User } | undefined)?.user
}

function words(text: unknown): string[] {
  return typeof text === 'string' ? text.split(' ').filter(Boolean) : []
}
