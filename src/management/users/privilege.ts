/**
 * Who may change whose account. Whoever could set an administrator's password, address or roles could become that
 * administrator: so an account with roles in the management API is changed only by callers whose scopes cover all that those
 * roles give, and nobody gives a role that gives what they lack.
 */
import type { Call } from '../../http/api/operation.ts'
import { scopesOfRoles } from '../../registry/management-roles.ts'
import { findUser } from '../../registry/users/queries.ts'
import type { User, UserGuard } from '../../registry/users/user.ts'
import { covers } from '../covers.ts'
import { requireCovers } from '../principal.ts'
import { problem } from '../problems.ts'

type Caller = Pick<Call, 'principal' | 'may'>

/** @throws Problem `privilege-raised` when the roles give something that the caller lacks */
export function requireRoles({ principal }: Caller, roles: readonly string[]): void {
  requireCovers(principal, scopesOfRoles(roles))
}

/** Whether the caller may change this account at all: what links are shown by. */
export function mayChange({ may, principal }: Caller, user: User): boolean {
  return may('users:write') && covers(principal, scopesOfRoles(user.roles))
}

/** For verbs that change an account: asked under its lock, so roles can't be given between the check and the change. */
export function accountGuard(caller: Caller): UserGuard {
  return (current, wanted) => {
    requireRoles(caller, current.roles)
    requireRoles(caller, wanted.roles)
    if (isOwn(caller, current.id) && losesScopes(current, wanted)) throw problem('own-account')
  }
}

/** The same for verbs that end what an account has open: they hold the user's row but do not know its roles. */
export function openThingsGuard(caller: Caller, userId: string): (trx: Call['db']) => Promise<void> {
  return async (trx) => {
    const user = await findUser(trx, userId)
    if (!user) throw problem('not-found')
    requireRoles(caller, user.roles)
  }
}

/** A person who is signed in here as themselves; an API key is nobody's account. */
export function isOwn({ principal }: Caller, userId: string): boolean {
  return principal?.kind === 'user' && principal.id === userId
}

function losesScopes(current: User, wanted: User): boolean {
  const kept = scopesOfRoles(wanted.roles)
  return [...scopesOfRoles(current.roles)].some((scope) => !kept.has(scope))
}
