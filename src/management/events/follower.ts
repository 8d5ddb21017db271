import type { Context } from 'koa'
import type { Credentials } from '../../events/stream/follow.ts'
import type { ManagementAuthenticator, ManagementPrincipal } from '../principal.ts'

/** The credentials of a request that goes on for a while: looked at again as if it came again. */
export function credentialsOf(
  ctx: Context,
  principal: ManagementPrincipal,
  authenticate: ManagementAuthenticator,
): Credentials {
  return credentials(principal, () => authenticate(ctx))
}

/** @param again who that is now */
export function credentials(
  principal: ManagementPrincipal,
  again: () => Promise<ManagementPrincipal | undefined>,
): Credentials {
  const { id, clientId, userId, expiresAt } = principal
  return {
    id,
    ids: new Set([id, clientId, userId].filter((one) => one !== undefined)),
    expiresAt,
    check: () =>
      again()
        .then((now) => now?.scopes)
        // Credentials that are no longer good are refused with a problem, which nobody is there to be told.
        .catch((error: unknown) => {
          if ((error as { status?: number }).status === 401) return undefined
          throw error
        }),
  }
}
