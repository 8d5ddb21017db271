import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../database/connect.ts'
import { open, type MasterKeys } from '../../lib/master-key.ts'
import type { Strangers } from '../../outbound/stranger.ts'
import { attempt, type Claimed, type Destination, type Outcome } from './attempt.ts'
import { stop } from './fan-out.ts'
import { claim, findDestination, record, recordHealth, release, type StoredDestination, type Verdict } from './queue.ts'
import { nextAttemptSeconds } from './schedule.ts'

export interface LaneDependencies {
  db: Database
  masterKeys: MasterKeys
  strangers: Strangers
  /** Seconds before each attempt after the first. */
  schedule?: readonly number[] | undefined
  /** How long a receiver may take. */
  timeoutMs: number
  /** Take up nothing more. */
  signal: AbortSignal
  /** Break off what is on its way. */
  hurry: AbortSignal
}

/** Requests that one process has open to one webhook. */
const AT_ONCE = 8
/** So many deliveries are claimed at once. */
const CLAIMED = 128
/** For as long as so many attempts may take; what is not sent by then is given back. A process that is killed keeps its claims for so long. */
const ATTEMPTS_IN_LEASE = 3
/** After so many failures in a row a receiver gets one request at a time, with growing pauses. */
const PATIENT_FAILURES = 10
const LONGEST_PAUSE_MS = 60_000

/**
 * Sends what is due for one webhook, until nothing is. Every webhook has a lane of its own in each process, so that one
 * which hangs holds up only itself.
 */
export async function runLane(webhookId: string, deps: LaneDependencies): Promise<void> {
  const { db, signal } = deps
  while (!signal.aborted) {
    const stored = await findDestination(db.pool, webhookId)
    if (!stored) return
    const struggles = stored.failures >= PATIENT_FAILURES
    const leaseMs = ATTEMPTS_IN_LEASE * deps.timeoutMs
    const sendUntil = Date.now() + leaseMs - deps.timeoutMs
    const claimed = await claim(db.pool, {
      webhookId,
      limit: struggles ? 1 : CLAIMED,
      leaseSeconds: leaseMs / 1000,
    })
    if (claimed.length === 0) return
    const destination = destinationOf(stored, deps.masterKeys)
    await sendAll(webhookId, { claimed, sendUntil }, destination, deps)
    if (struggles) await rest(stored.failures, signal)
  }
}

/** A few at a time; each outcome is written as soon as it is there, together with those that came meanwhile. */
async function sendAll(
  webhookId: string,
  { claimed, sendUntil }: { claimed: readonly Claimed[]; sendUntil: number },
  destination: Destination,
  deps: LaneDependencies,
): Promise<void> {
  const queue = [...claimed]
  const outcomes: Outcome[] = []
  let writing: Promise<void> = Promise.resolve()
  const write = () => (writing = writing.then(() => settle(webhookId, outcomes.splice(0), deps)))
  const worker = async () => {
    while (queue.length > 0 && !deps.signal.aborted && Date.now() < sendUntil) {
      const next = queue.shift()!
      const { timeoutMs, hurry } = deps
      outcomes.push(await attempt(deps.strangers, next, destination, { timeoutMs, signal: hurry }))
      void write().catch(() => undefined)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  await write()
  await release(deps.db.pool, queue)
}

async function settle(webhookId: string, outcomes: readonly Outcome[], deps: LaneDependencies): Promise<void> {
  if (outcomes.length === 0) return
  const { db, schedule } = deps
  const verdicts = outcomes.map((outcome) => verdictOn(outcome, schedule))
  await record(db.pool, verdicts)
  const succeeded = outcomes.some(({ isDelivered }) => isDelivered)
  const failed = outcomes.length - 1 - outcomes.findLastIndex(({ isDelivered }) => isDelivered)
  await recordHealth(db.pool, webhookId, { succeeded, failed })
  if (outcomes.some(({ isGone }) => isGone)) {
    await stop(db.knex, webhookId, { state: 'disabled', reason: 'its receiver answered 410 Gone' })
  } else if (!succeeded && verdicts.some(({ state }) => state === 'failed')) {
    await stop(db.knex, webhookId, { state: 'paused', reason: 'a delivery has failed at every attempt' })
  }
}

function verdictOn(outcome: Outcome, schedule: readonly number[] | undefined): Verdict {
  if (outcome.isDelivered) return { outcome, state: 'delivered', wait: undefined }
  const failure = { attempts: outcome.delivery.number, retryAfter: outcome.retryAfter }
  const wait = outcome.isGone ? undefined : nextAttemptSeconds(failure, schedule ? { schedule } : {})
  return { outcome, state: wait === undefined ? 'failed' : 'pending', wait }
}

function destinationOf(stored: StoredDestination, masterKeys: MasterKeys): Destination {
  const sealed = [stored.sealed, ...(stored.previousSealed === null ? [] : [stored.previousSealed])]
  const secrets = sealed.map((envelope) => open(masterKeys, 'webhook-secret', envelope).toString())
  return { url: stored.url, legacyHeaders: stored.legacyHeaders, secrets }
}

async function rest(failures: number, signal: AbortSignal): Promise<void> {
  const ms = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** (failures - PATIENT_FAILURES))
  await delay(ms, undefined, { signal }).catch(() => undefined)
}
