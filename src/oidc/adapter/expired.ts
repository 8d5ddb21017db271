import type { Expired } from '../../database/sweeper.ts'

/**
 * What the protocol leaves behind and may go. A consumed refresh token may go when its own life is over: from then on it is
 * refused as expired before anybody looks whether it was used.
 */
export const expired: readonly Expired[] = [
  { table: 'artifacts', condition: 'expires_at < now()' },
  // A device that asks too late is told that its code expired, not that there never was one.
  { table: 'device_codes', condition: "expires_at < now() - interval '1 hour'" },
  { table: 'refresh_tokens', condition: 'expires_at < now()' },
  { table: 'replays', condition: 'expires_at < now()' },
  { table: 'sessions', condition: 'expires_at < now()' },
  { table: 'grants', condition: 'expires_at < now()' },
  { table: 'login_throttles', condition: "last_failure_at < now() - interval '1 hour' and blocked_until < now()" },
]
