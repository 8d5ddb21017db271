/**
 * The last part of a request's way: what it asks for is known and allowed, now it is done. Under an idempotency key the effect
 * and the answer that is kept are one transaction; without one, the operation's own verbs say where transactions begin.
 */
import type { Knex } from 'knex'
import type { Context } from 'koa'
import { commonProblems, Problem, problemsOf } from '../problem.ts'
import { renderAnswer, statusOf, withoutSecrets, type Rendering } from './answer.ts'
import { checkAnswer } from './check-answers.ts'
import { versionTag } from './etag.ts'
import { fingerprint, readIdempotencyKey } from './idempotency-key.ts'
import type { IdempotencyStore, IdempotentRequest, StoredAnswer } from './idempotency.ts'
import type { Answer, Call, Principal } from './operation.ts'
import { checkChange, refuseCondition, type Current } from './preconditions.ts'

const problem = problemsOf(commonProblems)

export interface Execution {
  ctx: Context
  rendering: Rendering
  principal: Principal | undefined
  /** Everything but `db`, `ifVersion` and `prepared`. */
  call: Omit<Call, 'db' | 'ifVersion' | 'prepared'>
  knex: Knex
  idempotency: IdempotencyStore | undefined
  checkAnswers: boolean
}

export interface Outcome {
  /** Undefined: the operation answered by itself. */
  answer: StoredAnswer | undefined
  replayed: boolean
  secret: boolean
}

/** @throws whatever refuses or fails; then nothing is kept under the key */
export async function execute(execution: Execution): Promise<Outcome> {
  const { operation } = execution.rendering.endpoint
  const key = operation.idempotent ? readIdempotencyKey(execution.ctx.get('idempotency-key')) : undefined
  try {
    if (key === undefined || !execution.idempotency || !execution.principal) return await once(execution)
    return await repeatable(execution, execution.idempotency, identify(execution, execution.principal, key))
  } catch (error) {
    throw await withCurrentTag(execution, error)
  }
}

async function once(execution: Execution): Promise<Outcome> {
  const { operation } = execution.rendering.endpoint
  const ifVersion = await checkConditions(execution, execution.knex)
  const call = callOf(execution, execution.knex, ifVersion)
  const prepared = await operation.prepare?.(call)
  const answer = await operation.handle({ ...call, prepared })
  return { answer: render(execution, answer), replayed: false, secret: answer.secrets !== undefined }
}

async function repeatable(execution: Execution, store: IdempotencyStore, request: IdempotentRequest): Promise<Outcome> {
  const { operation } = execution.rendering.endpoint
  let prepared: unknown
  const prepare = async () => {
    prepared = await operation.prepare?.(callOf(execution, execution.knex, undefined))
  }
  const perform = async (trx: Knex) => {
    const ifVersion = await checkConditions(execution, trx)
    const found = await operation.handle({ ...callOf(execution, trx, ifVersion), prepared })
    const answer = render(execution, found)
    if (!answer) throw new Error(`${operation.id} must not stream: it takes idempotency keys`)
    // A refusal that was answered, not thrown: it may be otherwise next time.
    return { answer, keep: answer.status < 400 ? withoutSecrets(answer, found.secrets ?? []) : undefined }
  }
  const { answer, replayed } = await store.run(request, perform, prepare)
  return { answer, replayed, secret: answer.headers['cache-control'] === 'no-store' }
}

function callOf({ call }: Execution, db: Knex, ifVersion: number | undefined): Call<any, any, any> {
  return { ...call, db, ifVersion, prepared: undefined }
}

function render({ rendering, checkAnswers }: Execution, answer: Answer): StoredAnswer | undefined {
  if (answer.handled) return undefined
  if (checkAnswers) checkAnswer(rendering.endpoint.operation, statusOf(rendering.endpoint, answer), answer)
  return renderAnswer(rendering, answer)
}

function identify({ rendering, ctx }: Execution, { id }: Principal, key: string): IdempotentRequest {
  const { endpoint, path, request } = rendering
  const { values: query, body } = request
  const parts = {
    method: ctx.method,
    path,
    version: endpoint.version,
    query,
    mediaType: body.mediaType,
    body: body.raw,
  }
  return { principal: id, operation: endpoint.operation.id, key, fingerprint: fingerprint(parts) }
}

/** @returns the version that the change is for */
async function checkConditions(execution: Execution, db: Knex): Promise<number | undefined> {
  const { ctx, rendering } = execution
  const { operation } = rendering.endpoint
  if (operation.method === 'GET') return undefined
  if (operation.precondition) return checkChange(ctx, operation, await currentOf(execution, db))
  refuseCondition(ctx)
  return undefined
}

/** The version that stands now, and the tag that is good for a change of it. */
async function currentOf(execution: Execution, db: Knex): Promise<Current> {
  const { operation } = execution.rendering.endpoint
  const version = await operation.precondition?.({ ...callOf(execution, db, undefined), body: undefined })
  return { version, tag: version === undefined ? undefined : versionTag(version) }
}

/** Whoever lost to another change learns what is current now, also when only the verb saw it under its lock. */
async function withCurrentTag(execution: Execution, error: unknown): Promise<unknown> {
  if (!(error instanceof Problem) || error.code !== 'precondition-failed' || error.details.headers?.etag) return error
  if (!execution.rendering.endpoint.operation.precondition) return error
  const { tag } = await currentOf(execution, execution.knex)
  return tag ? error.withHeaders({ etag: tag }) : error
}

/** Errors of the store, as the API tells them. */
export function idempotencyProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || error.name !== 'IdempotencyError') return undefined
  const { code } = error as Error & { code?: unknown }
  if (code === 'mismatch') return problem('idempotency-key-reused')
  return problem('idempotency-key-in-flight', { headers: { 'retry-after': '1' } })
}
