import type { Config } from './load.ts'

/** How signing keys turn over. A retired key stays until nothing that it signed is accepted any more. */
export function keyPolicy({ keys, tokens, sessions }: Config) {
  return {
    ...keys,
    algorithms: ['RS256', 'ES256', 'Ed25519'] as const,
    // Access tokens live for minutes, a day at most; an ID token is a valid hint at logout as long as its session may live.
    retainSeconds: Math.max(sessions.absoluteSeconds, tokens.accessSeconds, 86_400),
  }
}
