import type { ClientConsent, ConnectedApp, Consent } from './consent.ts'

/** A consent as it may leave the server; nothing allowed is an empty one. */
export function presentConsent(consent: Consent | undefined): Record<string, unknown> {
  return {
    openid: consent?.openid ?? [],
    resources: consent?.resources ?? {},
    granted_at: consent?.grantedAt.toISOString() ?? null,
    expires_at: consent?.expiresAt?.toISOString() ?? null,
  }
}

/** A consent with its app, as it may leave the server. A person has one for each app, so the app's id names it. */
export function presentClientConsent(consent: ClientConsent): Record<string, unknown> {
  const { openid, resources, granted_at, expires_at } = presentConsent(consent)
  return {
    id: consent.clientId,
    client_id: consent.clientId,
    client_name: consent.clientName,
    openid_scopes: openid,
    resources,
    granted_at,
    expires_at,
  }
}

/** A connected app as it may leave the server. */
export function presentConnectedApp(app: ConnectedApp): Record<string, unknown> {
  return {
    id: app.clientId,
    name: app.name,
    first_party: app.firstParty,
    redirect_hosts: app.redirectHosts,
    openid_scopes: app.openid,
    resources: app.resources.map(({ audience, name, scopes }) => ({
      audience,
      name,
      scopes: scopes.map((scope) => ({
        name: scope.name,
        description: scope.description,
        description_de: scope.descriptionDe,
      })),
    })),
    consented_at: app.consentedAt?.toISOString() ?? null,
    expires_at: app.expiresAt?.toISOString() ?? null,
    live_families: app.liveFamilies,
    last_used_at: app.lastUsedAt?.toISOString() ?? null,
  }
}
