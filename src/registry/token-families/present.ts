import type { TokenFamily } from './token-family.ts'

/** A token family as it may leave the server. */
export function presentTokenFamily(family: TokenFamily): Record<string, unknown> {
  return {
    id: family.id,
    client_id: family.clientId,
    client_name: family.clientName,
    session_id: family.sessionUid,
    openid_scopes: family.openid,
    resources: family.resources,
    created_at: family.createdAt.toISOString(),
    expires_at: family.expiresAt.toISOString(),
    last_refreshed_at: family.lastRefreshedAt?.toISOString() ?? null,
  }
}
