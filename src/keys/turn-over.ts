/**
 * The life of a signing key, for each algorithm on its own:
 *
 *   (made) ──publish──▶ next ──activate──▶ current ──retire──▶ previous ──remove──▶ (gone)
 *                  published,            published,          published,
 *                  never signs           signs               verifies only
 *
 *   publish   when there is no next; an algorithm without any key gets a current one at once
 *   activate  when the current key is `rotationSeconds` old AND the next one has been published for `publishSeconds`
 *   retire    in the same transaction as the activation of its successor
 *   remove    `retainSeconds` after it retired, plus the time in which an instance may not have heard of that
 *   revoke    from any state straight to gone, by hand (revoke.ts)
 *
 * A change is one transaction under one lock, planned again inside it, on the database's clock: an instance that dies
 * half-way has changed nothing, and of two that come at once the second finds nothing left to do.
 */
import type { Database } from '../database/connect.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import { changeKeys, type Step } from './key-change.ts'
import { lagSeconds, type KeyPolicy } from './key-policy.ts'
import type { PublishedKey, SigningAlg } from './signing-key.ts'

export interface TurnOverOptions {
  policy: KeyPolicy
  masterKeys: MasterKeys
  /** Algorithms whose current key hands over whatever its age, though not before the next one was published long enough. */
  force?: readonly SigningAlg[]
}

/** Does whatever is due. Costs two short reads when nothing is; safe to call from any number of instances at once. */
export async function turnKeysOver(db: Database, options: TurnOverOptions): Promise<{ changed: boolean }> {
  const { policy, masterKeys, force = [] } = options
  const change = await changeKeys(db, {
    masterKeys,
    actor: 'system',
    plan: (keys, now) => planTurnOver(keys, { policy, now, force }),
  })
  return { changed: change.steps.length > 0 }
}

export interface PlanOptions {
  policy: KeyPolicy
  now: Date
  force?: readonly SigningAlg[]
  /** Lets what is forced skip the wait for publication. Verifiers that cached the JWKS will refuse tokens for a while. */
  emergency?: boolean
}

/** What is due, in an order in which no step breaks the rule of one current and one next key. */
export function planTurnOver(keys: readonly PublishedKey[], options: PlanOptions): Step[] {
  const { policy } = options
  const dropped = new Set(keys.map((key) => key.alg).filter((alg) => !policy.algorithms.includes(alg)))
  return [
    ...policy.algorithms.flatMap((alg) => planAlgorithm(alg, keys, options)),
    ...[...dropped].flatMap((alg) => planEnd(alg, keys, options)),
    ...keys.filter((key) => isOver(key, options)).map((key): Step => ({ do: 'remove', alg: key.alg, kid: key.kid })),
  ]
}

function planAlgorithm(alg: SigningAlg, keys: readonly PublishedKey[], options: PlanOptions): Step[] {
  const { current, next } = find(alg, keys)
  if (!current) {
    // Nothing signs: a next key, however young, is better than one that nobody has seen.
    const takeOver: Step = next ? { do: 'activate', alg, kid: next.kid } : { do: 'publish', alg, as: 'current' }
    return [takeOver, { do: 'publish', alg, as: 'next' }]
  }
  if (!next) return [{ do: 'publish', alg, as: 'next' }]
  const forced = options.force?.includes(alg) ?? false
  const isDue = forced || isOld(current, options)
  const isReady = (forced && options.emergency === true) || options.now >= readyAt(next, options.policy)
  if (!isDue || !isReady) return []
  return [
    { do: 'retire', alg, kid: current.kid },
    { do: 'activate', alg, kid: next.kid },
    { do: 'publish', alg, as: 'next' },
  ]
}

/** An algorithm that the policy no longer names: its current key serves its time and gets no successor. */
function planEnd(alg: SigningAlg, keys: readonly PublishedKey[], options: PlanOptions): Step[] {
  const { current, next } = find(alg, keys)
  if (current && !isOld(current, options)) return []
  return [
    ...(current ? [{ do: 'retire', alg, kid: current.kid } as const] : []),
    ...(next ? [{ do: 'remove', alg, kid: next.kid } as const] : []),
  ]
}

/** When a `next` key may begin to sign. */
export function readyAt(next: PublishedKey, policy: KeyPolicy): Date {
  return later(next.publishedAt, policy.publishSeconds)
}

function isOld(current: PublishedKey, { policy, now }: PlanOptions): boolean {
  return now >= later(current.activatedAt ?? current.publishedAt, policy.rotationSeconds)
}

function isOver(key: PublishedKey, { policy, now }: PlanOptions): boolean {
  // An instance that has not heard of the retirement goes on signing for up to `lagSeconds`.
  return key.retiredAt !== undefined && now >= later(key.retiredAt, policy.retainSeconds + lagSeconds(policy))
}

function find(alg: SigningAlg, keys: readonly PublishedKey[]): Partial<Record<'current' | 'next', PublishedKey>> {
  const current = keys.find((key) => key.alg === alg && key.state === 'current')
  const next = keys.find((key) => key.alg === alg && key.state === 'next')
  return { ...(current ? { current } : {}), ...(next ? { next } : {}) }
}

function later(time: Date, seconds: number): Date {
  return new Date(time.getTime() + seconds * 1000)
}
