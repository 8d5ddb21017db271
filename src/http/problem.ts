/**
 * `http` holds the conventions of our REST APIs as Koa middleware; it knows no user, client, token or key. This file is how
 * such an API says no: problem details (RFC 9457), named in one catalogue for each API and rendered in one place. OAuth
 * endpoints speak another language and never come here.
 */
import type { Context, Middleware } from 'koa'
import type { Logger } from '../telemetry/logger.ts'

/** One kind of problem. The name under which it stands in a catalogue never changes; clients act on it. */
export interface ProblemType {
  status: number
  /** The same words each time (RFC 9457 §3.1.3). */
  title: string
  /** What it means and what to do about it, for the page that `type` leads to. */
  about: string
}

export type ProblemCatalogue = Readonly<Record<string, ProblemType>>

/** One thing that is wrong with an input. */
export interface InputError {
  /** Where: a JSON pointer as URI fragment, `#/items/0/quantity` (RFC 6901 §6). */
  pointer: string
  detail: string
}

export interface ProblemDetails {
  /** What went wrong this time, for the caller; never anything of the inside. */
  detail?: string
  errors?: readonly InputError[]
  headers?: Readonly<Record<string, string>>
  /** What really happened, for the log. */
  cause?: unknown
}

export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: string
  readonly status: number
  readonly title: string
  readonly details: ProblemDetails

  constructor(code: string, { status, title }: ProblemType, details: ProblemDetails = {}) {
    super(details.detail ?? title, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = status
    this.title = title
    this.details = details
  }
}

/** What every API knows. */
export const commonProblems = {
  'invalid-request': {
    status: 400,
    title: 'The request is not valid',
    about: 'Something in the request is malformed or out of range. `errors` points at each place.',
  },
  unauthenticated: {
    status: 401,
    title: 'A valid access token is required',
    about: 'No token came, or it does not count here. `WWW-Authenticate` says why and what is needed.',
  },
  forbidden: {
    status: 403,
    title: 'This is not permitted',
    about: 'The credentials are good, but they do not cover this request.',
  },
  'not-found': { status: 404, title: 'There is nothing here', about: 'No such resource, or none for you.' },
  'method-not-allowed': {
    status: 405,
    title: 'The resource has no such method',
    about: '`Allow` lists the methods that it has.',
  },
  'content-too-large': {
    status: 413,
    title: 'The content is too large',
    about: 'Send less; `detail` names the limit.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The content has the wrong media type',
    about: 'Send a media type that `Accept-Post` or `detail` names.',
  },
  'internal-error': {
    status: 500,
    title: 'The server failed',
    about: 'A fault of the server, not of the request. Tell its operator the `trace_id`.',
  },
  'not-implemented': { status: 501, title: 'The method is not known here', about: 'No resource has this method.' },
  unavailable: {
    status: 503,
    title: 'The service is not available at the moment',
    about: 'Something that the service needs does not answer. Try again after `Retry-After`.',
  },
} satisfies ProblemCatalogue

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
 * Renders everything that goes wrong further in, also what is merely left unanswered: 4xx is logged at info, a bug at
 * error, and nothing of a bug leaves but its `trace_id`. Errors of others count when they carry `status` and `expose`, as
 * `http-errors` and `TokenError` do. Stands inside `trace`, which gives the `trace_id`.
 */
export function renderProblems({ log, typeBase }: ProblemRendering): Middleware {
  return async (ctx, next) => {
    try {
      await next()
      if (ctx.status >= 400 && (ctx.body === undefined || ctx.body === null)) throw ofStatus(ctx.status)
    } catch (error) {
      if (ctx.headerSent) throw error // half an answer is out: only breaking the connection is honest
      const problem = asProblem(error)
      record(log, ctx, problem)
      respond(ctx, problem, typeBase)
    }
  }
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { status, expose, message, headers } = (error ?? {}) as Partial<Problem> & {
    expose?: boolean
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

function respond(ctx: Context, problem: Problem, typeBase: string): void {
  const { detail, errors, headers = {} } = problem.details
  for (const name of ['etag', 'last-modified', 'location', 'content-length']) ctx.remove(name)
  ctx.status = problem.status
  ctx.set({ ...headers, 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  ctx.body = JSON.stringify({
    type: typeBase + problem.code,
    title: problem.title,
    status: problem.status,
    ...(detail !== undefined && { detail }),
    ...(errors && { errors }),
    trace_id: traceIdOf(ctx),
  })
}

function traceIdOf(ctx: Context): string {
  return (ctx.state as { traceId: string }).traceId
}
