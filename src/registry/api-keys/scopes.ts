/**
 * What a key to the management API may do: read or write one kind of thing. Events and audit events can't be written by
 * anyone.
 */
export const managementScopes = [
  'users:read',
  'users:write',
  'clients:read',
  'clients:write',
  'resources:read',
  'resources:write',
  'api-keys:read',
  'api-keys:write',
  'keys:read',
  'keys:write',
  'webhooks:read',
  'webhooks:write',
  'events:read',
  'audit-events:read',
] as const

export type ManagementScope = (typeof managementScopes)[number]

export function isManagementScope(value: string): value is ManagementScope {
  return (managementScopes as readonly string[]).includes(value)
}
