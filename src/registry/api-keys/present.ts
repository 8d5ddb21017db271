import type { ApiKey } from './api-key.ts'

/** What may leave the server of an API key. */
export interface PresentedApiKey {
  id: string
  name: string
  hint: string
  scopes: string[]
  /** The value before the last rotation, as long as it still opens. */
  previous: { hint: string; expires_at: string } | null
  created_by: string | null
  created_at: string
  updated_at: string
  expires_at: string | null
  last_used_at: string | null
  revoked_at: string | null
  version: number
  /** The key itself; only in the answer to what made it. */
  value?: string
}

/**
 * An API key as it may leave the server. Times are ISO 8601 in UTC.
 * @param value the key itself; only in the answer to its creation or rotation
 */
export function presentApiKey(apiKey: ApiKey, value?: string): PresentedApiKey {
  return {
    id: apiKey.id,
    name: apiKey.name,
    hint: apiKey.hint,
    scopes: apiKey.scopes,
    previous: apiKey.previous && { hint: apiKey.previous.hint, expires_at: apiKey.previous.expiresAt.toISOString() },
    created_by: apiKey.createdBy,
    created_at: apiKey.createdAt.toISOString(),
    updated_at: apiKey.updatedAt.toISOString(),
    expires_at: apiKey.expiresAt?.toISOString() ?? null,
    last_used_at: apiKey.lastUsedAt?.toISOString() ?? null,
    revoked_at: apiKey.revokedAt?.toISOString() ?? null,
    version: apiKey.version,
    ...(value === undefined ? {} : { value }),
  }
}
