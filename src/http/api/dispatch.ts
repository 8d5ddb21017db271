/**
 * The way of a request through an API, in this order: version, route, method, limit by address, credentials, limit by caller, scope,
 * representation, content and query, then (execute.ts) idempotency, precondition, and the operation itself. What is cheap and says
 * least of the inside comes first: a stranger is told 401 before anything is read, parsed or looked up.
 */
import type { Context } from 'koa'
import { requestOrigin } from '../../lib/actor.ts'
import { commonProblems, problemsOf } from '../problem.ts'
import type { ApiOptions } from './api.ts'
import { authorize } from './authorize.ts'
import { leaveUncompressed } from './compression.ts'
import { createCursors } from './cursor.ts'
import { describeEndpoint, type Endpoint } from './endpoint.ts'
import { execute, idempotencyProblem, type Outcome } from './execute.ts'
import type { StoredAnswer } from './idempotency.ts'
import { negotiate } from './negotiation.ts'
import type { Call, Method, Operation, Principal } from './operation.ts'
import { checkRead } from './preconditions.ts'
import { readQuery, type Query } from './query.ts'
import { acceptHeaders } from './request-body.ts'
import { readRequest } from './request.ts'
import { rootOperations, versionOperation } from './root.ts'
import { createRoutes, type Match, type Route } from './routes.ts'
import { resolveVersion, tellVersion, type VersionRules } from './versions.ts'

const problem = problemsOf(commonProblems)

/** Any other method is one that no resource has: 501 (RFC 9110 §15.6.2). */
const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

interface Aim {
  match: Match
  /** Below the version. */
  path: string
  version: number
  inPath: boolean
  endpoint: (operation: Operation) => Endpoint
}

/** @throws Error for declarations that contradict each other */
export function createDispatch(options: ApiOptions): (ctx: Context) => Promise<void> {
  const rules = versionRules(options)
  const aimAt = createAim(options, rules)
  const cursors = createCursors(options.cursorSecrets, rules.now)

  return async (ctx) => {
    const query = readQuery(ctx.querystring)
    const aim = aimAt(ctx, query)
    if (ctx.method === 'OPTIONS') return tellOptions(ctx, aim.match.route)
    const endpoint = aim.endpoint(operationOf(ctx, aim.match.route))
    const { operation } = endpoint
    ctx.state.operation = operation.id
    ctx.vary(['Authorization', 'X-API-Key'])

    await options.limit?.address(ctx)
    const principal = await options.authenticate(ctx)
    if (principal) await options.limit?.principal(ctx, principal)
    authorize(operation, principal, options.challenge)
    const mediaType = representation(ctx, endpoint)

    const { params } = aim.match
    const { path, version, inPath } = aim
    const urlOf = (below: string) => rules.urlOf(version, below)
    try {
      const request = await readRequest(ctx, { endpoint, path, params, query, cursors })
      const variant = [...(principal?.scopes ?? [])].sort()
      const outcome = await execute({
        ctx,
        rendering: { endpoint, request, mediaType, variant, cursors, urlOf, path, inPath },
        principal,
        call: {
          params: request.params,
          query: request.query,
          body: request.body.value,
          page: request.page,
          ...callerOf(ctx, principal),
          mediaType,
          version,
          link: urlOf,
          ctx,
        },
        knex: options.db.knex,
        idempotency: options.idempotency,
        checkAnswers: options.checkAnswers ?? false,
      })
      return answer(ctx, endpoint, outcome)
    } catch (error) {
      throw idempotencyProblem(error) ?? options.problemOf?.(error) ?? error
    }
  }
}

function versionRules({ versions, defaultVersion, vendor, origin, base, now = Date.now }: ApiOptions): VersionRules {
  if (!versions.some(({ number }) => number === defaultVersion)) throw new Error('the default version is none of them')
  const root = `${origin}${base}`
  // Through URL, so that nothing that came in a request can break out of a header.
  const urlOf = (version: number, path: string) => new URL(`${root}/v${version}${path}`).href
  return { versions, defaultVersion, vendor, now, urlOf }
}

/** Finds what a request is aimed at. @throws Problem 404 and whatever stands against its version */
function createAim(options: ApiOptions, rules: VersionRules): (ctx: Context, query: Query) => Aim {
  const root = prepare(options, options.defaultVersion, rootOperations(options, rules))
  const versions = new Map(
    options.versions.map((version) => {
      const operations = [versionOperation(rules, version), ...version.operations]
      return [version.number, prepare(options, version.number, operations)]
    }),
  )
  return (ctx, query) => {
    const below = ctx.path.slice(options.base.length)
    const atRoot = root.find(below)
    if (atRoot) return { ...root, match: atRoot, path: below, inPath: true }
    const target = resolveVersion(rules, ctx, below, query.values.get('version'))
    tellVersion(rules, ctx, target)
    const { path, inPath } = target
    const prepared = versions.get(target.version.number)
    const match = prepared?.find(path)
    if (!prepared || !match) throw problem('not-found')
    return { ...prepared, match, path, inPath }
  }
}

/** The same operation may stand in several versions: what is made ready is of one. */
function prepare({ vendor }: ApiOptions, version: number, operations: readonly Operation[]) {
  const endpoints = new Map(operations.map((one) => [one, describeEndpoint(one, version, vendor)]))
  return { version, find: createRoutes(operations), endpoint: (one: Operation) => endpoints.get(one)! }
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

function callerOf(
  ctx: Context,
  principal: Principal | undefined,
): Pick<Call, 'principal' | 'actor' | 'may' | 'signal'> {
  const { traceId = '' } = ctx.state as { traceId?: string }
  const from = { address: ctx.ip, userAgent: ctx.get('user-agent'), traceId }
  const gone = new AbortController()
  ctx.res.once('close', () => {
    if (!ctx.res.writableFinished) gone.abort()
  })
  return {
    principal,
    actor: requestOrigin(principal?.id ?? 'anonymous', 'api', from),
    may: (scope) => principal?.scopes.has(scope) ?? false,
    signal: gone.signal,
  }
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
