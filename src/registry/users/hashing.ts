import { argon2id, hash as argon2Hash, verify as argon2Verify } from 'argon2'

/** OWASP and ASVS 5.0 appendix C, second row: 19 MiB, two passes, one lane. */
export const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const

/** Who does the slow work. Takes what it is given; what may be a password is decided before. */
export interface HashEngine {
  /** argon2id at today's cost, with a salt of its own. */
  hash(password: string): Promise<string>
  /** @param fallback is verified in place of a hash that can't be read, so that this is not told by the clock; the answer is then false */
  verify(hash: string, password: string, fallback: string): Promise<boolean>
}

/** In the thread pool of this process. */
export const hashHere: HashEngine = {
  hash: (password) => argon2Hash(password, { type: argon2id, ...COST }),
  verify: (hash, password, fallback) =>
    argon2Verify(hash, password).catch(() => argon2Verify(fallback, password).then(() => false)),
}
