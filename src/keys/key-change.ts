import type { Knex } from 'knex'
import type { Database } from '../database/connect.ts'
import { recordChange } from '../events/audit.ts'
import type { EventType } from '../events/catalogue.ts'
import { appendEvent } from '../events/outbox.ts'
import type { Actor } from '../lib/actor.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import { presentKey } from './present.ts'
import { activateKey, databaseTime, deleteKey, insertKey, listKeys, retireKey } from './queries.ts'
import { generateKey, type NewKey, type PublishedKey, type SigningAlg } from './signing-key.ts'

/** NOTIFY channel that says: the keys changed, read them again. */
export const KEYS_CHANNEL = 'grantry_keys'

/** One move in the life of a key. `publish` is the only one that needs a new key. */
export type Step =
  | { readonly do: 'publish'; readonly alg: SigningAlg; readonly as: 'current' | 'next' }
  | { readonly do: 'activate' | 'retire' | 'remove' | 'revoke'; readonly alg: SigningAlg; readonly kid: string }

/** Decides from the keys and the database's time alone: it runs once to see what to make and once more inside the lock. */
export type Plan = (keys: readonly PublishedKey[], now: Date) => readonly Step[]

export interface KeyChange {
  /** The instant on the database's clock at which all of it happened. */
  readonly at: Date
  readonly steps: readonly Step[]
  readonly before: readonly PublishedKey[]
  readonly after: readonly PublishedKey[]
}

export interface ChangeOptions {
  masterKeys: MasterKeys
  actor: Actor
  plan: Plan
}

const LOCK = 'grantry:signing-keys'
/** A holder of the lock does a few short statements; whoever waits longer than this waits for one that hangs. */
const LOCK_TIMEOUT = '10s'
const MOST_ATTEMPTS = 5

/**
 * Carries out a plan in one transaction, events, audit log and notification included, so that it happens wholly or not at
 * all. New keys are made before the transaction, because RSA takes 100 ms; when another instance was faster they are thrown
 * away.
 * @throws when the lock can't be had, or the keys change under every attempt
 */
export async function changeKeys(db: Database, { masterKeys, actor, plan }: ChangeOptions): Promise<KeyChange> {
  const spare: NewKey[] = []
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const now = await databaseTime(db.knex)
    const keys = await listKeys(db.knex)
    const steps = plan(keys, now)
    if (steps.length === 0) return { at: now, steps, before: keys, after: keys }
    for (const alg of missing(steps, spare)) spare.push(await generateKey(alg, masterKeys))
    const change = await locked(db.knex, (trx) => apply(trx, { actor, plan, spare: [...spare] }))
    if (change) return change
  }
  throw new Error(`the signing keys changed ${MOST_ATTEMPTS} times while they were about to be changed; try again`)
}

/** Runs `work` in a transaction that no other change of keys overlaps. */
export async function locked<T>(knex: Knex, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  return knex.transaction(
    async (trx) => {
      await trx.raw(`set local lock_timeout = '${LOCK_TIMEOUT}'`)
      await trx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [LOCK])
      return work(trx)
    },
    // Under repeatable read the snapshot would be the one from before the lock, and the check inside it blind.
    { isolationLevel: 'read committed' },
  )
}

/** @returns undefined, with nothing written, when the plan now needs a key that was not made */
async function apply(
  trx: Knex,
  { actor, plan, spare }: { actor: Actor; plan: Plan; spare: NewKey[] },
): Promise<KeyChange | undefined> {
  const at = await databaseTime(trx)
  const before = await listKeys(trx)
  const steps = plan(before, at)
  if (missing(steps, spare).length > 0) return undefined
  if (steps.length === 0) return { at, steps, before, after: before }
  const kids: string[] = []
  for (const step of steps) {
    const doing =
      step.do === 'publish'
        ? publish(trx, { key: take(spare, step.alg), as: step.as, at, actor })
        : move(trx, { step, at, actor })
    kids.push(await doing)
  }
  await trx.raw('select pg_notify(?, ?)', [KEYS_CHANNEL, ''])
  const after = await listKeys(trx)
  for (const [index, step] of steps.entries()) {
    const kid = kids[index] ?? ''
    const [was, is] = [before, after].map((keys) => keys.find((key) => key.kid === kid))
    await recordChange(trx, actor, { action: `key.${step.do}`, subject: kid, before: told(was), after: told(is) })
  }
  return { at, steps, before, after }
}

/** A key for the audit log. Its public half is long, and its kid is a digest of it. */
function told(key: PublishedKey | undefined): object | undefined {
  if (!key) return undefined
  const { kid: _kid, public_jwk: _publicJwk, ...rest } = presentKey(key)
  return rest
}

async function publish(
  trx: Knex,
  { key, as, at, actor }: { key: NewKey; as: 'current' | 'next'; at: Date; actor: Actor },
): Promise<string> {
  await insertKey(trx, key, as, at)
  await tell(trx, 'key.published', key, actor)
  if (as === 'current') await tell(trx, 'key.activated', key, actor)
  return key.kid
}

type Move = Exclude<Step, { do: 'publish' }>

type KeyEvent = EventType & `key.${string}`

const MOVES: Record<Move['do'], { event: KeyEvent; write: (trx: Knex, kid: string, at: Date) => Promise<void> }> = {
  activate: { event: 'key.activated', write: activateKey },
  retire: { event: 'key.retired', write: retireKey },
  remove: { event: 'key.removed', write: deleteKey },
  revoke: { event: 'key.revoked', write: deleteKey },
}

async function move(trx: Knex, { step, at, actor }: { step: Move; at: Date; actor: Actor }): Promise<string> {
  const { event, write } = MOVES[step.do]
  await write(trx, step.kid, at)
  await tell(trx, event, step, actor)
  return step.kid
}

async function tell(
  trx: Knex,
  type: KeyEvent,
  { kid, alg }: { kid: string; alg: SigningAlg },
  actor: Actor,
): Promise<void> {
  await appendEvent(trx, { type, subject: kid, actor, data: { alg } })
}

/** The algorithms of the keys that the steps need beyond those in store. */
function missing(steps: readonly Step[], spare: readonly NewKey[]): SigningAlg[] {
  const store = spare.map(({ alg }) => alg)
  return steps.flatMap((step) => {
    if (step.do !== 'publish') return []
    const index = store.indexOf(step.alg)
    if (index < 0) return [step.alg]
    store.splice(index, 1)
    return []
  })
}

function take(spare: NewKey[], alg: SigningAlg): NewKey {
  const index = spare.findIndex((key) => key.alg === alg)
  const [key] = index < 0 ? [] : spare.splice(index, 1)
  if (!key) throw new Error(`no ${alg} key was made`)
  return key
}
