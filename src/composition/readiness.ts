import type { Parts } from './parts.ts'

/** What is missing for this process to serve, in a few words. */
export async function readiness({
  db,
  keys,
  config,
}: Pick<Parts, 'db' | 'keys' | 'config'>): Promise<string | undefined> {
  const { publishSeconds, jwksMaxAgeSeconds, pollSeconds } = config.keys
  if (keys.staleSeconds() > publishSeconds - jwksMaxAgeSeconds - pollSeconds) return 'signing keys are out of date'
  try {
    await db.pool.query('select 1')
    return undefined
  } catch {
    return 'database'
  }
}
