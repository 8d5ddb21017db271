/**
 * What may be done with the management API, in words that several nouns and the protocol share: its scopes, and the
 * resource server by which tokens for it are asked for. Whoever may have which scope is not decided here.
 */

/**
 * What a key or token for the management API may do: read or write one kind of thing. Events and audit events can't be
 * written by anyone.
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

/** The resource server that the management API is: part of Grantry, one row, made when a server starts. */
export const MANAGEMENT_RESOURCE_ID = 'res_grantrymanagementapi222222'

/** What people read on the consent page. */
export const managementScopeWords: Readonly<Record<ManagementScope, { en: string; de: string }>> = {
  'users:read': { en: 'See all users of this server', de: 'Alle Benutzer dieses Servers sehen' },
  'users:write': {
    en: 'Create, change, lock out and delete users of this server',
    de: 'Benutzer dieses Servers anlegen, ändern, sperren und löschen',
  },
  'clients:read': { en: 'See all apps registered here', de: 'Alle hier registrierten Apps sehen' },
  'clients:write': {
    en: 'Register, change and delete apps, and renew their secrets',
    de: 'Apps registrieren, ändern und löschen und ihre Geheimnisse erneuern',
  },
  'resources:read': { en: 'See the APIs that tokens are made for', de: 'Die APIs sehen, für die es Tokens gibt' },
  'resources:write': {
    en: 'Register, change and delete the APIs that tokens are made for',
    de: 'APIs, für die es Tokens gibt, registrieren, ändern und löschen',
  },
  'api-keys:read': { en: 'See which API keys exist', de: 'Sehen, welche API-Schlüssel es gibt' },
  'api-keys:write': {
    en: 'Create, renew and revoke API keys',
    de: 'API-Schlüssel anlegen, erneuern und widerrufen',
  },
  'keys:read': { en: 'See the signing keys and their plan', de: 'Die Signaturschlüssel und ihren Plan sehen' },
  'keys:write': { en: 'Replace and revoke signing keys', de: 'Signaturschlüssel ersetzen und widerrufen' },
  'webhooks:read': { en: 'See webhooks and their deliveries', de: 'Webhooks und ihre Zustellungen sehen' },
  'webhooks:write': { en: 'Create, change and delete webhooks', de: 'Webhooks anlegen, ändern und löschen' },
  'events:read': { en: 'Follow what happens on this server', de: 'Verfolgen, was auf diesem Server geschieht' },
  'audit-events:read': {
    en: 'Read who changed what, and from where',
    de: 'Lesen, wer was geändert hat und von wo aus',
  },
}

export function isManagementScope(value: string): value is ManagementScope {
  return (managementScopes as readonly string[]).includes(value)
}

/** The `aud` of tokens for the management API, and where it stands. @param issuer an origin */
export function managementAudience(issuer: string): string {
  return `${issuer}/api`
}

/** The management scopes that a client may ask for: whoever changes such a client, or holds its secret, can have them. */
export function managementScopesOfClient(client: {
  access: readonly { resourceId: string; scopes: readonly string[] }[]
}): ManagementScope[] {
  return client.access
    .filter(({ resourceId }) => resourceId === MANAGEMENT_RESOURCE_ID)
    .flatMap(({ scopes }) => scopes)
    .filter(isManagementScope)
}
