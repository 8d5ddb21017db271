import type { ApiKey } from './api-key.ts'

/**
 * An API key as it may leave the server.
 * @param value the key itself; only in the answer to its creation
 */
export function presentApiKey(apiKey: ApiKey, value?: string): Record<string, unknown> {
  return {
    id: apiKey.id,
    name: apiKey.name,
    hint: apiKey.hint,
    scopes: apiKey.scopes,
    created_at: apiKey.createdAt.toISOString(),
    expires_at: apiKey.expiresAt?.toISOString() ?? null,
    last_used_at: apiKey.lastUsedAt?.toISOString() ?? null,
    revoked_at: apiKey.revokedAt?.toISOString() ?? null,
    ...(value === undefined ? {} : { value }),
  }
}
