import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { SignatureAlgorithm } from '../scenario.ts'

/** About as long as what is signed in a token. */
const PAYLOAD = Buffer.alloc(500, 'a')

const keys: Record<SignatureAlgorithm, () => KeyObject> = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  Ed25519: () => generateKeyPairSync('ed25519').privateKey,
}

/**
 * What the machine needs for the bare private operation now, in µs of CPU: in this thread, with nothing around it.
 * @returns a function that signs for so many milliseconds and tells the cost of each
 */
export function createSigner(algorithm: SignatureAlgorithm): (milliseconds: number) => number {
  const key = keys[algorithm]()
  const digest = algorithm === 'Ed25519' ? null : 'sha256'
  return (milliseconds) => {
    const before = process.cpuUsage()
    let count = 0
    for (const end = performance.now() + milliseconds; performance.now() < end; count += 1) sign(digest, PAYLOAD, key)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / count
  }
}
