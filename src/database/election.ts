import { setTimeout as delay } from 'node:timers/promises'
import { createTurns } from '../lib/turns.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Database } from './connect.ts'
import type { Session } from './session.ts'

/** Goes on until the signal is aborted: the leader is stopped, or has lost the connection that made it the leader. */
export type Duty = (signal: AbortSignal) => Promise<void>

export interface Leadership {
  isLeader(): boolean
  /** Gives up the duty, and waits until its work has ended. Another instance takes over at once. */
  stop(): Promise<void>
}

export interface Election {
  /**
   * Does the work in one instance of all that are candidates for this name. Work that ends or fails by itself begins again.
   * @throws Error if this election has a candidate of that name
   */
  lead(name: string, work: Duty): Leadership
  /** Stops every duty. */
  close(): Promise<void>
}

export interface ElectionOptions {
  db: Pick<Database, 'onSession' | 'listen'>
  log: Logger
  /** How often candidates try, and a leader makes sure that it still is one. */
  everyMs?: number
  /** A server that is silent for so long is lost: whoever else reaches it may have the lock by then. */
  patienceMs?: number
}

/** The first half of every lock: the second is made from the name of the duty. */
const LOCKS = 4_740_266
const CHANNEL = 'grantry_election'
const PAUSE_AFTER_FAULT_MS = 1_000

// Only what is not held is asked for: PostgreSQL counts how often a session takes a lock, and it would have to give it back
// as often. Asked for nothing, it is the sign of life that the leader needs.
const TRY = `
  select name, pg_try_advisory_lock(${LOCKS}, hashtext(name)) as mine from unnest($1::text[]) as name`
const GIVE_BACK = `select pg_advisory_unlock(${LOCKS}, hashtext($1)), pg_notify('${CHANNEL}', $1)`

interface Candidate {
  name: string
  work: Duty
  stopping: AbortController
  /** Set from the moment the lock is ours until the work has ended and the lock is given back. */
  term: { signal: AbortSignal; over: Promise<void> } | undefined
}

/**
 * Elects one instance for each duty, by advisory locks of the session that listens: no duty needs a connection of its own.
 * The lock ends with the session, and the session with the process, the connection or the server, whichever dies first; then
 * the next candidate has it within a second or two. One election for each `Database`: a session may take its locks twice.
 *
 *   candidate ──lock──▶ leader ──stop──▶ (lock given back, others told)
 *       ▲                 └──connection lost, or silent──▶ signal aborted ──work has ended──┐
 *       └───────────────────────────────────────────────────────────────────────────────────┘
 */
export function createElection({ db, log, everyMs = 1_000, patienceMs = 2_000 }: ElectionOptions): Election {
  const candidates = new Map<string, Candidate>()
  const turns = createTurns({ everyMs })
  const closing = new AbortController()
  let session: Session | undefined
  let end: (() => Promise<void>) | undefined

  /** From the first candidate on. */
  function begin(): () => Promise<void> {
    const forget = db.onSession((fresh) => {
      session = fresh
      turns.nudge()
    })
    const running = run()
    return async () => {
      forget()
      closing.abort()
      turns.nudge()
      await running
    }
  }

  async function run(): Promise<void> {
    let unlisten: (() => Promise<void>) | undefined
    while (!closing.signal.aborted) {
      turns.begin()
      if (session && !session.lost.aborted) {
        try {
          unlisten ??= await db.listen(CHANNEL, () => turns.nudge())
          await takeTurn(session)
        } catch (error) {
          if (!session.lost.aborted)
            log.warn({ reason: (error as Error).message }, 'no election: the next turn tries again')
        }
      }
      await turns.rest()
    }
    await unlisten?.()
  }

  async function takeTurn(within: Session): Promise<void> {
    const free = [...candidates.values()].filter(({ term }) => !term).map(({ name }) => name)
    const rows = await answer(within, within.query(TRY, [free]), patienceMs)
    for (const { name, mine } of rows as { name: string; mine: boolean }[]) {
      if (mine) await enter(candidates.get(name), name, within)
    }
  }

  /** The lock is ours. */
  async function enter(candidate: Candidate | undefined, name: string, within: Session): Promise<void> {
    if (!candidate) return giveBack(name, within)
    const signal = AbortSignal.any([within.lost, candidate.stopping.signal])
    log.info({ duty: name }, 'this instance does it from now on')
    const over = serve(candidate, signal, log)
      .then(() => giveBack(name, within))
      .finally(() => {
        candidate.term = undefined
        turns.nudge()
      })
    candidate.term = { signal, over }
  }

  async function giveBack(name: string, within: Session): Promise<void> {
    if (within.lost.aborted) return
    // If it can't be given back, it is better lost.
    await answer(within, within.query(GIVE_BACK, [name]), patienceMs).catch(() => within.abandon())
  }

  async function stop(candidate: Candidate): Promise<void> {
    if (candidates.get(candidate.name) === candidate) candidates.delete(candidate.name)
    candidate.stopping.abort()
    await candidate.term?.over
  }

  return {
    lead(name, work) {
      if (candidates.has(name)) throw new Error(`there is a candidate for ${name} already`)
      const candidate: Candidate = { name, work, stopping: new AbortController(), term: undefined }
      candidates.set(name, candidate)
      end ??= begin()
      turns.nudge()
      return {
        isLeader: () => candidate.term?.signal.aborted === false,
        stop: () => stop(candidate),
      }
    },
    async close() {
      await Promise.all([...candidates.values()].map(stop))
      await end?.()
    },
  }
}

/** Does the work, again and again, until the term is over. Never throws. */
async function serve({ name, work }: Candidate, signal: AbortSignal, log: Logger): Promise<void> {
  while (!signal.aborted) {
    try {
      await work(signal)
    } catch (err) {
      if (!signal.aborted) log.error({ err, duty: name }, 'failed, and begins again')
    }
    await delay(PAUSE_AFTER_FAULT_MS, undefined, { signal }).catch(() => undefined)
  }
}

/** The rows, or the end of the session when they do not come in time. */
async function answer(
  session: Session,
  query: Promise<{ rows: unknown[] }>,
  patienceMs: number,
): Promise<readonly unknown[]> {
  // After a long pause of this process timers come before what has arrived meanwhile: that is read first.
  const timer = setTimeout(() => setImmediate(() => void (isAnswered || session.abandon())), patienceMs)
  let isAnswered = false
  try {
    return (await query).rows
  } finally {
    isAnswered = true
    clearTimeout(timer)
  }
}
