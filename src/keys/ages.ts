import type { Database } from '../database/connect.ts'
import type { KeyPolicy } from './key-policy.ts'
import { databaseTime, listKeys } from './queries.ts'
import type { KeyState, PublishedKey, SigningAlg } from './signing-key.ts'
import { readyAt } from './turn-over.ts'

export interface KeyAges {
  /** Of the oldest key of each algorithm and state: seconds since it came into that state. */
  ages: { alg: SigningAlg; state: KeyState; seconds: number }[]
  /** Seconds until the current key hands over; below zero it is overdue. */
  turnOvers: { alg: SigningAlg; seconds: number }[]
}

/** For whoever watches, on the database's clock. */
export async function readKeyAges({ knex }: Pick<Database, 'knex'>, policy: KeyPolicy): Promise<KeyAges> {
  const [keys, now] = await Promise.all([listKeys(knex), databaseTime(knex)])
  return keyAges(keys, { policy, now })
}

export function keyAges(keys: readonly PublishedKey[], { policy, now }: { policy: KeyPolicy; now: Date }): KeyAges {
  const until = (time: Date) => (time.getTime() - now.getTime()) / 1000
  const oldest = new Map<string, KeyAges['ages'][number]>()
  for (const key of keys) {
    const name = `${key.alg} ${key.state}`
    const seconds = -until(since(key))
    if (seconds >= (oldest.get(name)?.seconds ?? -Infinity))
      oldest.set(name, { alg: key.alg, state: key.state, seconds })
  }
  const turnOvers = keys.flatMap((current) => {
    if (current.state !== 'current') return []
    const next = keys.find(({ alg, state }) => alg === current.alg && state === 'next')
    const isOld = until(since(current)) + policy.rotationSeconds
    return [{ alg: current.alg, seconds: next ? Math.max(isOld, until(readyAt(next, policy))) : isOld }]
  })
  return { ages: [...oldest.values()], turnOvers }
}

function since({ state, publishedAt, activatedAt, retiredAt }: PublishedKey): Date {
  const time = state === 'current' ? activatedAt : state === 'previous' ? retiredAt : publishedAt
  return time ?? publishedAt
}
