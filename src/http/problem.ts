/**
 * `http` holds the conventions of our REST APIs as Koa middleware; it knows no user, client, token or key. This file is how
 * such an API says no: problem details (RFC 9457), named in one catalogue for each API and rendered in one place. OAuth
 * endpoints speak another language and never come here.
 */
import type { Context, Middleware } from 'koa'
import { passingFault, retryAfter } from '../database/passing-fault.ts'
import type { Logger } from '../telemetry/logger.ts'
import { commonProblems } from './common-problems.ts'
import { languageOf, type Language } from './language.ts'

/** One kind of problem. The name under which it stands in a catalogue never changes; clients act on it. */
export interface ProblemType {
  status: number
  /** The same words each time (RFC 9457 §3.1.3). */
  title: string
  /** What it means and what to do about it, for the page that `type` leads to. */
  about: string
  /** The same in German; without it German callers get English. */
  de?: { title: string; about: string }
}

export type ProblemCatalogue = Readonly<Record<string, ProblemType>>

/** One thing that is wrong with an input, and where: in the body, in the query or in a header. */
export interface InputError {
  /** A JSON pointer as URI fragment, `#/items/0/quantity` (RFC 6901 §6). */
  pointer?: string
  parameter?: string
  header?: string
  detail: string
  /** For programs: `missing`, `unknown`, `duplicate`, `type`, `format`, `range`, … */
  code?: string
}

export interface ProblemDetails {
  /** What went wrong this time, for the caller; never anything of the inside. */
  detail?: string
  errors?: readonly InputError[]
  headers?: Readonly<Record<string, string | readonly string[]>>
  /** Of `insufficient-scope`: what was needed, for the challenge. */
  scope?: string
  /** Further members of the problem (RFC 9457 §3.2), in snake_case: `violated_policies`. */
  members?: Readonly<Record<string, unknown>>
  /** What really happened, for the log. */
  cause?: unknown
}

export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: string
  readonly type: ProblemType
  readonly details: ProblemDetails

  constructor(code: string, type: ProblemType, details: ProblemDetails = {}) {
    super(details.detail ?? type.title, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.type = type
    this.details = details
  }

  get status(): number {
    return this.type.status
  }

  get title(): string {
    return this.type.title
  }

  /** The same problem with further headers. */
  withHeaders(headers: Readonly<Record<string, string | readonly string[]>>): Problem {
    return new Problem(this.code, this.type, { ...this.details, headers: { ...this.details.headers, ...headers } })
  }
}

export { commonProblems }

/** Makes problems of a catalogue by name: `throw problem('order-not-found')`. */
export function problemsOf<C extends ProblemCatalogue>(catalogue: C) {
  return (code: keyof C & string, details?: ProblemDetails): Problem => new Problem(code, catalogue[code]!, details)
}

export interface ProblemRendering {
  log: Logger
  /** What the code is appended to for `type`; the result should lead to a page: `https://api.example.com/problems#`. */
  typeBase: string
}

/**
 * Renders everything that goes wrong further in, also what is merely left unanswered: 4xx is logged at info, a database that
 * is out of reach for now is 503 and a warning, a bug an error, and nothing of either leaves but the `trace_id`. Errors of others count when they carry `status` and `expose`, as
 * `http-errors` and `TokenError` do. Titles are in the caller's language. Stands inside `trace`, which gives the `trace_id`.
 */
export function renderProblems({ log, typeBase }: ProblemRendering): Middleware {
  return async (ctx, next) => {
    try {
      await next()
      const unanswered = ctx.body === undefined || ctx.body === null
      if (ctx.respond !== false && ctx.status >= 400 && unanswered) throw ofStatus(ctx.status)
    } catch (error) {
      if (ctx.headerSent) throw error // half an answer is out: only breaking the connection is honest
      const problem = asProblem(error)
      record(log, ctx, problem)
      respond(ctx, problem, typeBase)
    }
  }
}

/**
 * For the edge of a server: what stands before an API (limits on the URL, the host's name) refuses in the language of OAuth.
 * Below `base` each such refusal becomes a problem, and so does everything else that fails there.
 */
export function problemsBelow(base: string, rendering: ProblemRendering): Middleware {
  const render = renderProblems(rendering)
  return (ctx, next) => {
    if (!isBelow(base, ctx.path)) return next()
    return render(ctx, async () => {
      await next()
      if (ctx.respond === false || ctx.headerSent || ctx.status < 400 || ctx.type === PROBLEM_TYPE) return
      const { error_description: detail } = (ctx.body ?? {}) as { error_description?: unknown }
      throw ofStatus(ctx.status, typeof detail === 'string' ? { detail } : {})
    })
  }
}

/** Whether the path is `base` or stands under it: `/api` and `/api/v1`, not `/apiary`. */
export function isBelow(base: string, path: string): boolean {
  return path === base || path.startsWith(`${base}/`)
}

const PROBLEM_TYPE = 'application/problem+json'

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const passing = passingFault(error)
  if (passing) {
    const headers = { 'retry-after': retryAfter[passing] }
    return new Problem('unavailable', commonProblems.unavailable, { headers, cause: error })
  }
  const { status, expose, message, headers } = (error ?? {}) as {
    status?: unknown
    expose?: boolean
    message?: string
    headers?: Record<string, string>
  }
  if (expose !== true || typeof status !== 'number' || status < 400) {
    return new Problem('internal-error', commonProblems['internal-error'], { cause: error })
  }
  return ofStatus(status, { ...(message && { detail: message }), ...(headers && { headers }), cause: error })
}

function ofStatus(status: number, details?: ProblemDetails): Problem {
  const known = Object.entries(commonProblems).find(([, type]) => type.status === status)
  const [code, type] = known ?? ['invalid-request', { ...commonProblems['invalid-request'], status }]
  return new Problem(code, type, details)
}

function record(log: Logger, ctx: Context, problem: Problem): void {
  // The path without its query: a token or code that somebody put there must not end in a log.
  const facts = {
    trace_id: traceIdOf(ctx),
    status: problem.status,
    problem: problem.code,
    method: ctx.method,
    path: ctx.path,
  }
  const { cause } = problem.details
  if (problem.code === 'internal-error') log.error({ ...facts, err: cause ?? problem }, 'request failed')
  else if (problem.status >= 500) log.warn({ ...facts, ...(cause !== undefined && { err: cause }) }, problem.message)
  else log.info(facts, problem.message)
}

/** What belonged to the answer that was not given. */
const FORGOTTEN = ['etag', 'last-modified', 'location', 'content-location', 'content-length', 'content-disposition']

function respond(ctx: Context, problem: Problem, typeBase: string): void {
  const { detail, errors, headers = {}, members } = problem.details
  const [language, title] = titleIn(languageOf(ctx.get('accept-language')), problem.type)
  for (const name of FORGOTTEN) ctx.remove(name)
  ctx.status = problem.status
  for (const [name, value] of Object.entries(headers)) ctx.set(name, typeof value === 'string' ? value : [...value])
  ctx.set({ 'content-type': PROBLEM_TYPE, 'content-language': language, 'cache-control': 'no-store' })
  ctx.vary('Accept-Language')
  ctx.body = JSON.stringify({
    type: typeBase + problem.code,
    title,
    status: problem.status,
    ...(detail !== undefined && { detail }),
    // Without the query, for the same reason as in the log.
    instance: ctx.path,
    ...(errors && { errors }),
    ...members,
    trace_id: traceIdOf(ctx),
  })
}

/** `detail` stays English; the language that is told is that of the title, which is the same each time. */
function titleIn(language: Language, { title, de }: ProblemType): [Language, string] {
  return language === 'de' && de ? ['de', de.title] : ['en', title]
}

function traceIdOf(ctx: Context): string {
  return (ctx.state as { traceId: string }).traceId
}
