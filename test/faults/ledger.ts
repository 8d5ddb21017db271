/** What clients were told during a fault, and what must hold of it afterwards: nothing of it is lost, nothing was given twice. */

export interface Outcome {
  /** When the answer came, or none any more; milliseconds of `performance.now()`. */
  at: number
  kind: string
  /** 0: none. */
  status: number
  ms: number
  retryAfter: string | undefined
}

/** A refresh token, and what was answered to each use of it. */
export interface Chain {
  current: string
  /** Refused for good: told as a figure, never hidden. */
  isEnded: boolean
}

export interface Redemption {
  code: string
  verifier: string
  /** Every refresh token that was answered for it. */
  answers: Set<string>
  /** Sent more than once, so that its family may have ended as that of a replayed code does. */
  isRepeated: boolean
  at: number
}

export interface Ledger {
  outcomes: Outcome[]
  chains: Chain[]
  /** Refresh token → all successors that anybody was told. */
  successors: Map<string, Set<string>>
  redemptions: Redemption[]
  /** Idempotency key, which is the client's name as well → all ids that were acknowledged. */
  created: Map<string, Set<string>>
}

export function emptyLedger(): Ledger {
  return { outcomes: [], chains: [], successors: new Map(), redemptions: [], created: new Map() }
}

export function add<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const known = map.get(key)
  if (known) known.add(value)
  else map.set(key, new Set([value]))
}

export function isGood({ status }: Outcome): boolean {
  return status >= 200 && status < 300
}

/** A fault of the server's side: 5xx, or no answer. */
export function isFailure({ status }: Outcome): boolean {
  return status === 0 || status >= 500
}

/** What was given to two: a second successor, a second token set for a code, a second client for a request sent again. */
export function givenTwice({ successors, redemptions, created }: Ledger): number {
  const sets = [...successors.values(), ...redemptions.map(({ answers }) => answers), ...created.values()]
  return sets.filter(({ size }) => size > 1).length
}

/** The value below which so many of a hundred are. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}
