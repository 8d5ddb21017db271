import type { RegistrationToken } from './registration-token.ts'

/**
 * A registration token as it may leave the server. Times are ISO 8601 in UTC.
 * @param value the token itself; only in the answer to its creation
 */
export function presentRegistrationToken(token: RegistrationToken, value?: string) {
  return {
    id: token.id,
    name: token.name,
    hint: token.hint,
    most_uses: token.mostUses,
    uses: token.uses,
    created_by: token.createdBy,
    created_at: token.createdAt.toISOString(),
    expires_at: token.expiresAt.toISOString(),
    revoked_at: token.revokedAt?.toISOString() ?? null,
    ...(value === undefined ? {} : { value }),
  }
}
