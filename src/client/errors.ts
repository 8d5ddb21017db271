/** Everything that a call can end with, beside its answer and the caller's own abort. */
import type { ProblemCode } from './operations.ts'

/** One thing that is wrong with an input: where, and what. */
export interface ProblemEntry {
  /** A place in the body: a JSON pointer as URI fragment. */
  pointer?: string
  /** Of the query or the path. */
  parameter?: string
  header?: string
  detail: string
  code?: string
}

/** What all errors of the client are. */
export class GrantryError extends Error {
  override name = 'GrantryError'
}

/** An answer of the API as it came. */
export interface Received {
  status: number
  headers: Headers
  /** The body; empty when there was none, or when that of a refusal could not be read. */
  text: string
}

/** The API said no, as problem details (RFC 9457); or something before it did, in whatever form. */
export class ProblemError extends GrantryError {
  override readonly name = 'ProblemError'
  /** A URI that leads to a page about this kind of problem; `about:blank` for answers that are no problem details. */
  readonly type: string
  /** The end of `type`, which is what to act on: `not-found`, `invalid-request`; else `http-502` and the like. */
  readonly code: ProblemCode | (string & {})
  readonly title: string
  readonly status: number
  readonly detail: string | undefined
  readonly errors: readonly ProblemEntry[]
  /** Under which the server's log has it. */
  readonly traceId: string | undefined
  /** Seconds, when the answer said. */
  readonly retryAfter: number | undefined
  /**
   * An earlier try of the same call broke off after it was sent, and may have done the work: then a 404 to a delete, or a
   * 412 to a replacement, may be the echo of one's own success. Read the thing again to know.
   */
  readonly mayHaveSucceeded: boolean
  readonly headers: Headers
  /** As it came. */
  readonly body: string

  constructor(received: Received, context: { retryAfter?: number | undefined; mayHaveSucceeded?: boolean } = {}) {
    const problem = readProblem(received)
    super(problem.detail ?? problem.title)
    this.type = problem.type
    this.code = problem.code
    this.title = problem.title
    this.status = received.status
    this.detail = problem.detail
    this.errors = problem.errors
    this.traceId = problem.traceId ?? received.headers.get('x-request-id') ?? undefined
    this.retryAfter = context.retryAfter
    this.mayHaveSucceeded = context.mayHaveSucceeded ?? false
    this.headers = received.headers
    this.body = received.text
  }
}

/** No answer came, or not the whole of it. */
export class NetworkError extends GrantryError {
  override readonly name = 'NetworkError'
  /** Whether the request may have reached the server: what it asked for may have been done. */
  readonly sent: boolean

  constructor(message: string, { sent, cause }: { sent: boolean; cause?: unknown }) {
    super(message, cause === undefined ? undefined : { cause })
    this.sent = sent
  }
}

/** The time that the caller gave was used up. `cause` is what went wrong last, if anything had. */
export class DeadlineError extends GrantryError {
  override readonly name = 'DeadlineError'
}

/** Something answered, but not as this API does: no JSON, too large, or a redirect (which is never followed). */
export class UnexpectedAnswerError extends GrantryError {
  override readonly name = 'UnexpectedAnswerError'
  readonly status: number

  constructor(message: string, status: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.status = status
  }
}

/** The issuer gave no token for the client's credentials. */
export class CredentialsError extends GrantryError {
  override readonly name = 'CredentialsError'
  /** RFC 6749 §5.2, such as `invalid_client` or `invalid_scope`; undefined when the answer had none. */
  readonly error: string | undefined
  readonly status: number | undefined

  constructor(message: string, { error, status }: { error?: string | undefined; status?: number } = {}) {
    super(message)
    this.error = error
    this.status = status
  }
}

/** A reader of events was away for longer than they are kept, and has missed some: it must look at the things themselves. */
export class HistoryGoneError extends GrantryError {
  override readonly name = 'HistoryGoneError'
  /** For `after`, to go on with the oldest event that is kept; undefined when the server did not say. */
  readonly cursor: string | undefined

  constructor(problem: ProblemError) {
    super(problem.message, { cause: problem })
    this.cursor = stringOf(objectOf(problem.body).oldest_cursor)
  }
}

interface ReadProblem {
  type: string
  code: string
  title: string
  detail: string | undefined
  errors: readonly ProblemEntry[]
  traceId: string | undefined
}

function readProblem({ status, headers, text }: Received): ReadProblem {
  const isProblem = /^application\/problem\+json\b/i.test(headers.get('content-type') ?? '')
  const members = isProblem ? objectOf(text) : {}
  const type = stringOf(members.type) ?? 'about:blank'
  const end = /[#/]([^#/]+)$/.exec(type)?.[1]
  return {
    type,
    code: end ?? `http-${status}`,
    title: stringOf(members.title) ?? `The server answered ${status}`,
    detail: stringOf(members.detail),
    errors: Array.isArray(members.errors) ? members.errors.filter(isEntry) : [],
    traceId: stringOf(members.trace_id),
  }
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function isEntry(value: unknown): value is ProblemEntry {
  return typeof value === 'object' && value !== null && typeof (value as ProblemEntry).detail === 'string'
}

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
