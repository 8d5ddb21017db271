/**
 * The engine of the kit: an API is a list of operations (operation.ts) and what this file asks for beside them. It owns the way of
 * a request (dispatch.ts) and every convention on it: versions, routing, negotiation, strict input, conditional requests,
 * idempotency, pages, problems. It must not know any noun of an API, nor how callers prove who they are: that is handed in.
 *
 * ```ts
 * app.use(trace(log))
 * app.use(createApi({ title: 'Notes', base: '/api', versions: [{ number: 1, operations }], defaultVersion: 1, … }))
 * ```
 */
import type { Context, Middleware } from 'koa'
import type { Database } from '../../database/connect.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { isBelow, renderProblems, type Problem, type ProblemCatalogue } from '../problem.ts'
import { compression } from './compression.ts'
import { createDispatch } from './dispatch.ts'
import type { IdempotencyStore } from './idempotency.ts'
import type { Operation, Principal } from './operation.ts'

export interface ApiVersion {
  number: number
  operations: readonly Operation[]
  /** `since` may lie ahead; from `sunset` on every request is answered 410. `documentation` is a URL. */
  deprecated?: { since: Date; sunset: Date; documentation?: string }
  removed?: true
  /** Which version takes its place; left out: the default, or the newest. */
  successor?: number
}

export interface ApiOptions {
  title: string
  /** `/api` */
  base: string
  /** Of all links: `https://auth.example.com`. */
  origin: string
  /** Media types are `application/vnd.<vendor>.v1+json`. */
  vendor: string
  versions: readonly ApiVersion[]
  /** When neither path, `API-Version`, `Accept` nor `?version=` names one. */
  defaultVersion: number
  db: Pick<Database, 'knex'>
  log: Logger
  /** Every problem that an operation may name. */
  catalogue: ProblemCatalogue
  /** `https://auth.example.com/problems#` */
  typeBase: string
  /** The first signs, all verify. */
  cursorSecrets: readonly Buffer[]
  /** @returns undefined when no credentials came. @throws Problem or TokenError for bad ones */
  authenticate(ctx: Context): Promise<Principal | undefined>
  /** `WWW-Authenticate`: without an error for missing credentials, with one for credentials that lack `scope` (RFC 6750 §3.1). */
  challenge: (scope?: string, error?: 'insufficient_scope') => string | readonly string[]
  /** Errors of the domain. */
  problemOf?(error: unknown): Problem | undefined
  /** Needed by operations that take `Idempotency-Key`. */
  idempotency?: IdempotencyStore
  /** Set RateLimit headers; throw Problem 429. */
  limit?: {
    address(ctx: Context): Promise<void>
    principal(ctx: Context, principal: Principal): Promise<void>
  }
  /** For tests: every answer is held against the operation's schemas; a mismatch is a 500 that says where. */
  checkAnswers?: boolean
  /** Milliseconds; for tests. */
  now?: () => number
}

/**
 * Answers everything below `base`; other paths pass. Stands inside `trace`. Needs a caller's address (`ctx.ip`) and the host to
 * be true already.
 * @throws Error for declarations that contradict each other
 */
export function createApi(options: ApiOptions): Middleware {
  assertComplete(options)
  const dispatch = createDispatch(options)
  const problems = renderProblems(options)
  const compress = compression()
  return (ctx, next) => {
    if (!isBelow(options.base, ctx.path)) return next()
    return compress(ctx, async () => void (await problems(ctx, () => dispatch(ctx))))
  }
}

function assertComplete({ versions, catalogue, idempotency }: ApiOptions): void {
  for (const { number, deprecated } of versions) {
    // RFC 9745 §4
    if (deprecated && deprecated.sunset < deprecated.since)
      throw new Error(`version ${number} ends before it is deprecated`)
  }
  for (const { id, problems = [], idempotent } of versions.flatMap(({ operations }) => operations)) {
    // Passed over in silence, a key would promise what is not so.
    if (idempotent && !idempotency) throw new Error(`${id} takes idempotency keys, and there is nowhere to keep them`)
    const unknown = problems.find((code) => !Object.hasOwn(catalogue, code))
    if (unknown) throw new Error(`${id} names the problem ${unknown}, which the catalogue does not know`)
  }
}
