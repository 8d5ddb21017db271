import { timingSafeEqual } from 'node:crypto'
import { digestSecret, looksLikeSecret, newSecret, type NewSecret } from '../../lib/secret.ts'

/** A new client secret `gcs_…`. The value is for the one who asked; only the digest is kept. */
export function newClientSecret(): NewSecret {
  return newSecret('gcs')
}

/**
 * Whether the presented secret is one of the live ones. Digests are compared in constant time, and all of them every time,
 * so that the answer's timing tells neither how near a guess was nor which of two secrets is in use.
 */
export function verifyClientSecret(secrets: readonly { digest: Buffer }[], presented: string): boolean {
  if (!looksLikeSecret(presented)) return false
  const digest = digestSecret(presented)
  let matches = 0
  for (const secret of secrets) matches += Number(timingSafeEqual(secret.digest, digest))
  return matches > 0
}
