/**
 * Requests that may be sent again: the first with a key executes, the same again gets its answer, and whatever happens in
 * between, a kill included, the effect happens once (draft-ietf-httpapi-idempotency-key-header-07 §2).
 *
 *   reserve ──committed──▶ one transaction: execute, then keep the answer ──▶ replayed for `ttlSeconds`
 *      ▲                        │ an error: all of it undone, the key is free again
 *      └── the lease passes ────┘ a kill: the database undoes it, and after `leaseSeconds` a retry executes
 *
 * The answer is stored only while the lease is still this request's, in the transaction of the effect. A request that was
 * slower than its lease, and was replaced, loses its effect and its answer together.
 *
 * Kept answers are plain JSON. They hold what the thing's own row holds, so sealing them would protect nothing; secrets that
 * are shown once must be taken out by the caller (`keep` is another answer than the one that is sent). When a person is
 * erased, an answer that names them may live on for what is left of its time: 24 hours at most, and a minute until the sweep.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import type { Expired } from '../../database/sweeper.ts'
import { inTransaction } from '../../database/transaction.ts'

export interface IdempotentRequest {
  /** Whose key it is: two callers may choose the same one. */
  principal: string
  operation: string
  /** As it came. Only its digest is stored. */
  key: string
  /** Digest of everything that makes the request what it is. */
  fingerprint: Buffer
}

export interface StoredAnswer {
  status: number
  headers: Record<string, string>
  body: string | null
}

export interface Execution {
  answer: StoredAnswer
  /** What a repetition gets; undefined: forget the key, so that the request may be mended and sent again with it. */
  keep: StoredAnswer | undefined
}

export interface IdempotencyStore {
  /**
   * @param execute does its work with `trx` and nothing else: what it did is undone with the transaction, and it runs again
   *   when the database undid the transaction for another's sake (deadlock)
   * @param prepare long work that must not happen inside the transaction, nor at all for a repetition
   * @throws IdempotencyError; whatever `execute` or `prepare` throws, and then the key is free again
   */
  run(
    request: IdempotentRequest,
    execute: (trx: Knex) => Promise<Execution>,
    prepare?: () => Promise<void>,
  ): Promise<{ answer: StoredAnswer; replayed: boolean }>
}

/**
 * `in-flight`: the first request with this key is not answered yet (409, worth a retry). `mismatch`: the key was used for
 * another request (422, never worth one).
 */
export class IdempotencyError extends Error {
  override readonly name = 'IdempotencyError'
  readonly code: 'in-flight' | 'mismatch'

  constructor(code: 'in-flight' | 'mismatch') {
    super(MEANINGS[code])
    this.code = code
  }
}

const MEANINGS = {
  'in-flight': 'a request with this idempotency key is still being answered',
  mismatch: 'this idempotency key was used for another request',
}

/**
 * The table, for databases that are not migrated. A migration has a copy of its own, which stays as it is when this changes.
 */
export const idempotencyTable = `
  create table if not exists idempotency_keys (
    principal text not null,
    operation text not null,
    key bytea not null check (length(key) = 32),
    fingerprint bytea not null,
    lease uuid not null,
    leased_until timestamptz not null,
    -- null: not answered yet.
    status smallint,
    headers jsonb,
    body text,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (principal, operation, key)
  );
  create index if not exists idempotency_keys_by_expiry on idempotency_keys (expires_at);
`

export const expiredIdempotencyKeys: Expired = { table: 'idempotency_keys', column: 'expires_at' }

export interface IdempotencyStoreOptions {
  knex: Knex
  /** How long an answer is kept, on the database's clock. Default 24 hours. */
  ttlSeconds?: number
  /** How long a request may take until it counts as lost. Longer than any transaction may last. Default 60. */
  leaseSeconds?: number
}

export function createIdempotencyStore({
  knex,
  ttlSeconds = 86_400,
  leaseSeconds = 60,
}: IdempotencyStoreOptions): IdempotencyStore {
  return {
    async run(request, execute, prepare) {
      const place = placeOf(request)
      const lease = randomUUID()
      const known = await reserve(knex, { place, lease, fingerprint: request.fingerprint, ttlSeconds, leaseSeconds })
      if (known) return { answer: known, replayed: true }
      try {
        await prepare?.()
        const answer = await inTransaction({ knex }, async (trx) => {
          const { answer: made, keep } = await execute(trx)
          await settle(trx, { place, lease, keep })
          return made
        })
        return { answer, replayed: false }
      } catch (error) {
        // If this fails as well, the lease frees the key.
        await release(knex, { place, lease }).catch(() => undefined)
        throw error
      }
    },
  }
}

interface Place {
  principal: string
  operation: string
  key: Buffer
}

function placeOf({ principal, operation, key }: IdempotentRequest): Place {
  return { principal, operation, key: createHash('sha256').update(key).digest() }
}

interface Reservation {
  place: Place
  lease: string
  fingerprint: Buffer
  ttlSeconds: number
  leaseSeconds: number
}

/**
 * One statement, so of many at once one gets the row. A lease that has passed is taken over by the same request only: the
 * key still belongs to it.
 */
const RESERVE = `
  insert into idempotency_keys as held
    (principal, operation, key, fingerprint, lease, leased_until, created_at, expires_at)
  select :principal, :operation, :key, :fingerprint, cast(:lease as uuid), now + make_interval(secs => :leaseSeconds), now,
    now + make_interval(secs => :ttlSeconds)
  from (select clock_timestamp() as now) as clock
  on conflict (principal, operation, key) do update set
    fingerprint = excluded.fingerprint, lease = excluded.lease, leased_until = excluded.leased_until,
    status = null, headers = null, body = null, created_at = excluded.created_at, expires_at = excluded.expires_at
  where held.expires_at <= clock_timestamp()
    or (held.status is null and held.leased_until <= clock_timestamp() and held.fingerprint = excluded.fingerprint)`

interface Row extends StoredAnswer {
  fingerprint: Buffer
}

/** @returns the answer that is kept; undefined when the key is now this request's */
async function reserve(knex: Knex, { place, ...rest }: Reservation): Promise<StoredAnswer | undefined> {
  for (;;) {
    const { rowCount } = await knex.raw<{ rowCount: number }>(RESERVE, { ...place, ...rest })
    if (rowCount === 1) return undefined
    const row = await knex('idempotency_keys').where(place).first<Row | undefined>()
    // Released in between: once more.
    if (!row) continue
    if (!row.fingerprint.equals(rest.fingerprint)) throw new IdempotencyError('mismatch')
    if (row.status === null) throw new IdempotencyError('in-flight')
    return { status: row.status, headers: row.headers, body: row.body }
  }
}

interface Settlement {
  place: Place
  lease: string
  keep: StoredAnswer | undefined
}

/** Keeps the answer, or frees the key, inside the transaction of the effect. @throws IdempotencyError when the lease is lost */
async function settle(trx: Knex, { place, lease, keep }: Settlement): Promise<void> {
  const mine = trx('idempotency_keys').where({ ...place, lease })
  const { status, headers, body } = keep ?? {}
  const count = keep ? await mine.update({ status, headers: JSON.stringify(headers), body }) : await mine.delete()
  if (count === 0) throw new IdempotencyError('in-flight')
}

/** Frees the key, unless it is answered after all (the commit went through and its confirmation was lost). */
async function release(knex: Knex, { place, lease }: { place: Place; lease: string }): Promise<void> {
  await knex('idempotency_keys')
    .where({ ...place, lease })
    .whereNull('status')
    .delete()
}
