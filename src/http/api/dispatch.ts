/**
 * The way of a request through an API, in this order: version, route, method, limit by address, credentials, limit by caller, scope,
 * representation, content and query, then (execute.ts) idempotency, precondition, and the operation itself. What is cheap and says
 * least of the inside comes first: a stranger is told 401 before anything is read, parsed or looked up.
 */
import type { Context } from 'koa'
import { requestOrigin } from '../../lib/actor.ts'
import { commonProblems, problemsOf } from '../problem.ts'
import { createAim, versionRules } from './aim.ts'
import type { ApiOptions } from './api.ts'
import { authorize, withChallenge } from './authorize.ts'
import { leaveUncompressed } from './compression.ts'
import { createCursors } from './cursor.ts'
import type { Endpoint } from './endpoint.ts'
import type { Rendering } from './answer.ts'
import { execute, idempotencyProblem, type Execution, type Outcome } from './execute.ts'
import type { StoredAnswer } from './idempotency.ts'
import { negotiate } from './negotiation.ts'
import type { Method, Operation, Principal } from './operation.ts'
import { checkRead } from './preconditions.ts'
import { readQuery } from './query.ts'
import { acceptHeaders } from './request-body.ts'
import { readRequest } from './request.ts'
import type { Route } from './routes.ts'

const problem = problemsOf(commonProblems)

/** Any other method is one that no resource has: 501 (RFC 9110 §15.6.2). */
const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** @throws Error for declarations that contradict each other */
export function createDispatch(options: ApiOptions): (ctx: Context) => Promise<void> {
  const rules = versionRules(options)
  const aimAt = createAim(options, rules)
  const cursors = createCursors(options.cursorSecrets, rules.now)

  return async (ctx) => {
    const query = readQuery(ctx.querystring)
    const aim = aimAt(ctx, query)
    // For logs and metrics, also when what comes now is refused.
    ctx.state.route = aim.match.route.name
    if (ctx.method === 'OPTIONS') return tellOptions(ctx, aim.match.route)
    const endpoint = aim.endpoint(operationOf(ctx, aim.match.route))
    try {
      const principal = await admit(ctx, endpoint, options)
      const mediaType = representation(ctx, endpoint)
      const { path, version, inPath } = aim
      const request = await readRequest(ctx, { endpoint, path, params: aim.match.params, query, cursors })
      const urlOf = (below: string) => rules.urlOf(version, below)
      const rendering = { endpoint, request, mediaType, cursors, urlOf, path, inPath }
      const outcome = await execute({
        ctx,
        rendering,
        principal,
        call: callOf(ctx, rendering, principal),
        knex: options.db.knex,
        idempotency: options.idempotency,
        checkAnswers: options.checkAnswers ?? false,
      })
      return answer(ctx, endpoint, outcome)
    } catch (error) {
      throw withChallenge(idempotencyProblem(error) ?? options.problemOf?.(error) ?? error, options.challenge)
    }
  }
}

/** @throws Problem 401, 403, 429, and whatever `authenticate` throws */
async function admit(ctx: Context, { operation }: Endpoint, options: ApiOptions): Promise<Principal | undefined> {
  // For `authenticate`: its challenge may name what this operation needs.
  ctx.state.operation = operation.id
  ctx.vary(['Authorization', 'X-API-Key'])
  await options.limit?.address(ctx)
  const principal = await options.authenticate(ctx)
  if (principal) await options.limit?.principal(ctx, principal)
  authorize(operation, principal, options.challenge)
  return principal
}

function tellOptions(ctx: Context, { allow, operations }: Route): void {
  ctx.set({ allow, ...acceptHeaders(operations) })
  ctx.status = 204
}

function operationOf(ctx: Context, { allow, operations }: Route): Operation {
  const method = ctx.method === 'HEAD' ? 'GET' : ctx.method
  const operation = operations.get(method as Method)
  if (operation) return operation
  throw problem(KNOWN_METHODS.has(method) ? 'method-not-allowed' : 'not-implemented', { headers: { allow } })
}

/** @throws Problem 406 */
function representation(ctx: Context, { offered }: Endpoint): string | undefined {
  if (offered.length === 0) return undefined
  ctx.vary('Accept')
  const mediaType = negotiate(ctx.get('accept'), offered)
  if (!mediaType) throw problem('not-acceptable', { detail: `There is ${offered.join(', ')}` })
  return mediaType
}

function callOf(ctx: Context, rendering: Rendering, principal: Principal | undefined): Execution['call'] {
  const { endpoint, request, mediaType, urlOf } = rendering
  const { traceId = '' } = ctx.state as { traceId?: string }
  const from = { address: ctx.ip, userAgent: ctx.get('user-agent'), traceId }
  return {
    params: request.params,
    query: request.query,
    body: request.body.value,
    page: request.page,
    principal,
    actor: requestOrigin(principal?.id ?? 'anonymous', 'api', from),
    may: (scope) => principal?.scopes.has(scope) ?? false,
    signal: departure(ctx),
    mediaType,
    version: endpoint.version,
    link: urlOf,
    ctx,
  }
}

/** Aborted when the caller goes away before the answer is out. */
function departure({ res }: Context): AbortSignal {
  const gone = new AbortController()
  const notice = () => {
    if (!res.writableFinished) gone.abort()
  }
  if (res.closed) notice()
  else res.once('close', notice)
  return gone.signal
}

function answer(ctx: Context, { operation }: Endpoint, { answer, replayed, secret }: Outcome): void {
  if (!answer) return leaveUncompressed(ctx)
  if (secret) leaveUncompressed(ctx)
  if (replayed) ctx.set('Idempotent-Replayed', 'true')
  const { etag } = answer.headers
  const known = operation.method === 'GET' && etag ? checkRead(ctx, etag) : undefined
  if (known) return send(ctx, { status: 304, headers: { ...answer.headers, etag: known }, body: null })
  send(ctx, answer)
}

function send(ctx: Context, { status, headers, body }: StoredAnswer): void {
  ctx.status = status
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'link') ctx.append('Link', value)
    else if (status !== 304 || name !== 'content-type') ctx.set(name, value)
  }
  if (body !== null) ctx.body = body
  else if (status !== 204 && status !== 304) sendEmpty(ctx)
}

/** Koa takes null for 204, whatever status was set. */
function sendEmpty(ctx: Context): void {
  ctx.body = ''
  ctx.remove('content-type')
}
