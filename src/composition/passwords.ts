/** Passwords are hashed beside the server, by a process that comes last for the processors and first gives way to signatures. */
import { availableParallelism } from 'node:os'
import type { Config } from '../config/load.ts'
import { createHashingProcess } from '../registry/users/hashing-process.ts'
import { createPasswordHasher, type PasswordHasher } from '../registry/users/password.ts'
import type { Logger } from '../telemetry/logger.ts'

/** More would only take memory, 19 MiB each, and space in the caches that signatures live in. */
const MOST_THREADS = 4

export interface Passwords {
  hasher: PasswordHasher
  stop(): Promise<void>
}

/** @param workers processes of this instance, each of which has its own */
export function createPasswords({ workers }: Pick<Config, 'workers'>, log: Logger): Passwords {
  const threads = Math.min(Math.ceil(availableParallelism() / workers), MOST_THREADS)
  const engine = createHashingProcess({ threads, log })
  return { hasher: createPasswordHasher({ concurrency: threads, engine }), stop: () => engine.stop() }
}
