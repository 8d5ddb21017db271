/**
 * Passwords are hashed beside the server, by a process that comes last for the processors and first gives way to signatures.
 * That alone does not save the services from a storm of sign-ins: what else a sign-in costs, here and in the database, takes
 * the processors as well when many are at it. So only a few go on at once: half as many as there are processors, and one at
 * least in each process that serves.
 */
import { availableParallelism } from 'node:os'
import type { Config } from '../config/load.ts'
import { createGate, type Gate } from '../registry/users/gate.ts'
import { createHashingProcess } from '../registry/users/hashing-process.ts'
import { idleFirst } from '../registry/users/idle-first.ts'
import { createPasswordHasher, type PasswordHasher } from '../registry/users/password.ts'
import type { Logger } from '../telemetry/logger.ts'

/** More would only take memory, 19 MiB each, and space in the caches that signatures live in. */
const MOST_AT_ONCE = 4
/** A sign-in takes some 40 ms. One that takes so much longer waits for a row that somebody holds, and costs nobody anything. */
const HOLD_MS = 1000

export interface Passwords {
  hasher: PasswordHasher
  /** What every sign-in passes. */
  gate: Gate
  stop(): Promise<void>
}

/** @param workers processes of this instance, each of which has its own */
export function createPasswords({ workers }: Pick<Config, 'workers'>, log: Logger): Passwords {
  const half = Math.floor(availableParallelism() / 2 / workers)
  const atOnce = Math.min(Math.max(half, 1), MOST_AT_ONCE)
  const idleLog = {
    error: (facts: object) => log.info(facts, 'passwords can not be checked in idle time at the moment'),
  }
  const engine = idleFirst({
    idle:
      process.platform === 'linux' ? createHashingProcess({ threads: atOnce, log: idleLog, isIdle: true }) : undefined,
    ordinary: createHashingProcess({ threads: atOnce, log }),
  })
  const hasher = createPasswordHasher({ concurrency: atOnce, engine })
  return { hasher, gate: createGate({ atOnce, holdMs: HOLD_MS }), stop: () => engine.stop() }
}
