import { availableParallelism, cpus, totalmem } from 'node:os'
import { createSigner } from './signature.ts'

/** What figures depend on, and nothing that tells whose machine it is. */
export interface Machine {
  cpu: string
  cores: number
  memoryGb: number
  node: string
  date: string
  /** Bare signatures at the beginning, µs. */
  signatures: { RS256: number; ES256: number; Ed25519: number }
}

const SIGN_MS = 300

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
    signatures: {
      RS256: createSigner('RS256')(SIGN_MS),
      ES256: createSigner('ES256')(SIGN_MS),
      Ed25519: createSigner('Ed25519')(SIGN_MS),
    },
  }
}
