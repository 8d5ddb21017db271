import { AsyncResource } from 'node:async_hooks'
import { setImmediate as endOfTurn, setTimeout as delay } from 'node:timers/promises'
import { PoolBusyError } from './pool.ts'

/** Something that many requests ask of the database at the same time, each for itself. */
export interface BatchOptions<Question, Answer> {
  /**
   * Asks for all of them in one statement. Answers stand in the order of the questions.
   * @throws what all of them then get
   */
  ask: (questions: Question[]) => Promise<Answer[]>
  /** Questions with the same key never share a statement: the second waits for the next one. Left out: any may. */
  keyOf?: (question: Question) => string
  /** Most questions of one statement. */
  most?: number
  /** How long anybody waits for an answer; then it is a passing fault. Milliseconds. */
  patienceMs?: number
}

const MOST = 64
/** From the beginning of a statement to that of the next: each costs processor time on both sides, however few share it. */
const REST_MS = 2
const PATIENCE_MS = 3_000

interface Waiting<Question, Answer> {
  question: Question
  /** The request that asks, to do something in its context. `AsyncLocalStorage.snapshot` would outlive it: see plain-context.ts. */
  asker: AsyncResource
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

/**
 * Questions that come while a statement is under way, or within two milliseconds of its beginning, are asked together by the
 * next. Alone, a question goes out at once, and the busier the server is, the more of them share one round trip, one plan and
 * one commit.
 * An answer is never older than its question: each statement begins after the last question that it answers was put.
 *
 * While a statement is stuck (behind a lock, in a network that swallows it) nobody queues behind it for long: when patience is
 * over, those who wait get a passing fault, and until it is answered newcomers get it at once.
 */
export function createBatch<Question, Answer>({
  ask,
  keyOf,
  most = MOST,
  patienceMs = PATIENCE_MS,
}: BatchOptions<Question, Answer>): (question: Question) => Promise<Answer> {
  let waiting: Waiting<Question, Answer>[] = []
  let isAsking = false
  let askedAt = Number.NEGATIVE_INFINITY
  let isStuck = false

  async function askAll(): Promise<void> {
    while (waiting.length > 0) {
      const rest = askedAt + REST_MS - performance.now()
      // Requests that are read from their sockets in the same turn of the loop go together.
      await (rest > 0 ? delay(rest) : endOfTurn())
      const batch = next()
      askedAt = performance.now()
      const impatience = setTimeout(() => giveUp(batch), patienceMs)
      try {
        // A trace shows the statement as a part of the first request that shares it.
        const answers = await batch[0]!.asker.runInAsyncScope(() => ask(batch.map(({ question }) => question)))
        if (answers.length !== batch.length) throw new Error('a batch has as many answers as questions')
        batch.forEach(({ resolve }, index) => resolve(answers[index] as Answer))
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
      clearTimeout(impatience)
      isStuck = false
    }
    isAsking = false
  }

  function giveUp(batch: readonly Waiting<Question, Answer>[]): void {
    isStuck = true
    for (const { reject } of [...batch, ...waiting]) reject(stuck())
    waiting = []
  }

  function next(): Waiting<Question, Answer>[] {
    if (!keyOf) return waiting.splice(0, most)
    const keys = new Set<string>()
    const batch: typeof waiting = []
    const later: typeof waiting = []
    for (const one of waiting) {
      const key = keyOf(one.question)
      if (batch.length < most && !keys.has(key)) batch.push(one)
      else later.push(one)
      keys.add(key)
    }
    waiting = later
    return batch
  }

  return (question) =>
    new Promise((resolve, reject) => {
      if (isStuck) return reject(stuck())
      waiting.push({ question, asker: new AsyncResource('grantry.question'), resolve, reject })
      if (isAsking) return
      isAsking = true
      void askAll()
    })
}

function stuck(): PoolBusyError {
  return new PoolBusyError('the database does not answer in time, and others wait already')
}
