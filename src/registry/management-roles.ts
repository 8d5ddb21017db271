import { managementScopes, type ManagementScope } from './management-scopes.ts'

/**
 * Which roles let a person manage this server, and what. The table is fixed: roles are given to users by whoever may write
 * users, and a role whose meaning could be changed beside that would be a second way to raise oneself.
 */
export const managementRoles: Readonly<Record<string, readonly ManagementScope[]>> = {
  'grantry-admin': managementScopes,
  'grantry-viewer': managementScopes.filter((scope) => scope.endsWith(':read')),
  'grantry-user-admin': ['users:read', 'users:write'],
  'grantry-client-admin': ['clients:read', 'clients:write', 'resources:read', 'resources:write'],
}

/** What a person with these roles may be granted of the management API; roles of other APIs give nothing here. */
export function scopesOfRoles(roles: readonly string[]): ReadonlySet<ManagementScope> {
  return new Set(roles.flatMap((role) => (Object.hasOwn(managementRoles, role) ? (managementRoles[role] ?? []) : [])))
}
