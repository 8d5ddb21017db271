/**
 * `keys` owns the signing keys: it makes, publishes, uses and retires them, keeps their private halves sealed, and tells
 * whoever signs when they change. The ring is what an instance holds of them. It knows nothing of HTTP, of the provider or
 * of what is signed. The database is the truth; a notification is a hint, polling the net below it.
 */
import type { Database } from '../database/connect.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import type { Logger } from '../telemetry/logger.ts'
import { KEYS_CHANNEL } from './key-change.ts'
import { keyPolicyProblems, keysPerAlgorithm, type KeyPolicy } from './key-policy.ts'
import { buildKeySet, isSameKeySet, type KeySet } from './key-set.ts'
import { readKeys } from './queries.ts'
import { turnKeysOver } from './turn-over.ts'

/** Runs at once with the new set. What it returns is not waited for, but a rejection is caught and logged. */
export type KeyListener = (set: KeySet) => void | Promise<void>

export type { KeySet }

export interface KeyRing {
  /** The keys as last read. Never waits and never fails, however long the database is away. */
  current(): KeySet
  /** Calls back after every change, in order, until the returned function is called. */
  onChange(listener: KeyListener): () => void
  /** Reads the keys again; resolves once a read that began after the call is done. Never rejects: a failure is logged. */
  refresh(): Promise<void>
  /**
   * Seconds since the keys were last read. Beyond `publishSeconds − jwksMaxAgeSeconds − pollSeconds` this instance may be
   * about to publish a JWKS that lacks a key which others sign with: it should no longer call itself ready.
   */
  staleSeconds(): number
  /** Stops listening and polling, and waits for what is under way. */
  close(): Promise<void>
}

export interface KeyRingOptions {
  db: Database
  policy: KeyPolicy
  masterKeys: MasterKeys
  log: Logger
}

/** Every verifier reads the whole JWKS every time: beyond this many keys of one algorithm it is worth a warning. */
const MANY_KEYS = 50

/**
 * Makes the first keys if there are none, reads them, and keeps them up to date.
 * @throws RangeError when the policy is unsound; SealError when a key can't be opened; whatever the database throws
 */
export async function createKeyRing({ db, policy, masterKeys, log }: KeyRingOptions): Promise<KeyRing> {
  const problems = keyPolicyProblems(policy)
  if (problems.length > 0) throw new RangeError(`unsound key policy: ${problems.join('; ')}`)
  if (keysPerAlgorithm(policy) > MANY_KEYS) {
    log.warn(
      { keys: keysPerAlgorithm(policy) },
      'keys turn over so often that the JWKS grows long; raise KEY_ROTATION_SECONDS',
    )
  }

  const listeners = new Set<KeyListener>()
  let set = buildKeySet([], policy.algorithms)
  let readAt = -Infinity

  async function read(): Promise<void> {
    const began = performance.now()
    const latest = buildKeySet(await readKeys(db.knex, masterKeys), policy.algorithms)
    readAt = began
    if (isSameKeySet(set, latest)) return
    set = latest
    log.info({ signers: set.signers, keys: set.publicJwks.keys.length }, 'signing keys changed')
    for (const listener of listeners) void attempt('a listener to key changes failed', async () => listener(latest))
  }

  const reading = coalesce(read)

  async function refresh(): Promise<void> {
    await attempt('the signing keys could not be read; the last known are kept', () => reading.run())
  }

  async function poll(): Promise<void> {
    await attempt('the signing keys could not be turned over; the next poll tries again', async () => {
      await turnKeysOver(db, { policy, masterKeys })
    })
    await refresh()
  }

  let isClosing = false
  async function attempt(failure: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!isClosing) log.warn({ err: error }, failure)
    }
  }

  // LISTEN comes before the first read, so that no change falls between the two.
  const unlisten = await db.listen(KEYS_CHANNEL, () => void refresh())
  try {
    await turnKeysOver(db, { policy, masterKeys })
    await reading.run()
  } catch (error) {
    isClosing = true
    await unlisten()
    await reading.idle()
    throw error
  }
  const polling = repeat(poll, () => jittered(policy.pollSeconds))

  let closing: Promise<void> | undefined
  async function close(): Promise<void> {
    isClosing = true
    listeners.clear()
    await polling.stop()
    await unlisten()
    await reading.idle()
  }

  return {
    current: () => set,
    onChange(listener) {
      // A wrapper, so that the same function may listen twice and each be stopped on its own.
      const own: KeyListener = (latest) => listener(latest)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    refresh,
    staleSeconds: () => (performance.now() - readAt) / 1000,
    close: () => (closing ??= close()),
  }
}

/** Instances that started together must not poll together. Never later than asked for: the policy counts on it. */
function jittered(seconds: number): number {
  return seconds * 1000 * (0.75 + Math.random() * 0.25)
}

/** Runs `work` again and again with a pause between; `work` must not reject. The timer keeps no process alive. */
function repeat(work: () => Promise<void>, pause: () => number): { stop(): Promise<void> } {
  let stopped = false
  let running = Promise.resolve()
  let timer = schedule()

  function schedule(): NodeJS.Timeout {
    return setTimeout(() => {
      running = work().then(() => {
        if (!stopped) timer = schedule()
      })
    }, pause()).unref()
  }

  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}

/**
 * One run at a time. A call before a waiting run has begun shares it, a later one gets the run after it: what a caller
 * sees is never older than the call. A run that fails rejects for those who share it, and for nobody else.
 */
function coalesce(work: () => Promise<void>): { run(): Promise<void>; idle(): Promise<void> } {
  let tail = Promise.resolve()
  let waiting: Promise<void> | undefined

  function begin(): Promise<void> {
    waiting = undefined
    return work()
  }

  return {
    run: () => (waiting ??= tail = tail.then(begin, begin)),
    idle: () => tail.catch(() => undefined),
  }
}
