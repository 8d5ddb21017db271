import type { Session } from './session.ts'

/**
 * A session as it may leave the server.
 * @param currentUid the session of the person who looks
 */
export function presentSession(session: Session, currentUid?: string): Record<string, unknown> {
  return {
    id: session.uid,
    current: session.uid === currentUid,
    user_agent: session.userAgent,
    address: session.address,
    signed_in_at: session.signedInAt?.toISOString() ?? null,
    last_seen_at: session.lastSeenAt.toISOString(),
    expires_at: session.expiresAt.toISOString(),
  }
}
