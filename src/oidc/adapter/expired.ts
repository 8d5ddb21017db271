import type { Expired } from '../../database/sweeper.ts'

/**
 * What the protocol leaves behind and may go. A consumed refresh token may go when its own life is over: from then on it is
 * refused as expired before anybody looks whether it was used.
 */
export const expired: readonly Expired[] = [
  { table: 'artifacts', column: 'expires_at' },
  // A device that asks too late is told that its code expired, not that there never was one.
  { table: 'device_codes', column: 'expires_at', keep: '1 hour' },
  { table: 'refresh_tokens', column: 'expires_at' },
  { table: 'replays', column: 'expires_at' },
  { table: 'sessions', column: 'expires_at' },
  {
    table: 'grants',
    column: 'expires_at',
    children: [
      { table: 'refresh_tokens', column: 'grant_id' },
      { table: 'artifacts', column: 'grant_id' },
      { table: 'device_codes', column: 'grant_id' },
    ],
  },
  { table: 'login_throttles', column: 'last_failure_at', keep: '1 hour', where: 'blocked_until < now()' },
]
