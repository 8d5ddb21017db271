import type pg from 'pg'
import type { Knex } from 'knex'
import { isId } from '../lib/ids.ts'
import { findApiKeyById } from '../registry/api-keys/queries.ts'
import { findActiveClient } from '../registry/clients/active.ts'
import { scopesOfRoles } from '../registry/management-roles.ts'
import { managementScopes, managementScopesOfClient } from '../registry/management-scopes.ts'
import { findActiveUser } from '../registry/users/queries.ts'

/**
 * What somebody may do on the management API at this moment, by their id alone: for what goes on without them, as a webhook
 * does.
 * @returns undefined when there is nobody of that id any more: deleted, disabled, revoked or expired
 */
export async function rightsOf(
  { knex, pool }: { knex: Knex; pool: pg.Pool },
  owner: string,
): Promise<ReadonlySet<string> | undefined> {
  if (isId('usr', owner)) {
    const user = await findActiveUser(pool, owner)
    return user && scopesOfRoles(user.roles)
  }
  if (isId('cli', owner)) {
    const client = await findActiveClient(pool, owner)
    return client && new Set(managementScopesOfClient(client))
  }
  if (isId('apk', owner)) {
    const key = await findApiKeyById(knex, owner)
    const isOver = !key || key.revokedAt !== null || (key.expiresAt !== null && key.expiresAt.getTime() <= Date.now())
    return isOver ? undefined : new Set(key.scopes)
  }
  // Whoever has the operating system's account and the command line has everything.
  return owner === 'cli' ? new Set(managementScopes) : undefined
}
