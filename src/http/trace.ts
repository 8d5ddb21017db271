import type { Context, Middleware } from 'koa'
import type { Logger } from '../telemetry/logger.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { newTraceId, readTraceparent } from '../telemetry/trace-context.ts'
import type { RequestSpan, Tracing } from '../telemetry/tracing.ts'

/** One path segment that is a bearer value or a personal id: an interaction's uid stands in its page's address. */
const SECRET_SEGMENT = /^(\/(?:interaction|authorize|device)\/)[^/]+/

/** Longer than any path of ours; what strangers make up must not fill the log. */
const LONGEST_PATH = 200

/** The specification lets whoever passes it on drop what is longer (W3C Trace Context §3.3.1.5). */
const LONGEST_TRACESTATE = 512

export interface Observers {
  metrics: Pick<Metrics, 'began' | 'answered'>
  tracing?: Tracing | undefined
  /** Which route answered: a template. Called when all is done. */
  routeOf(ctx: Context): string
  /** Called at last, with the span if there is one. */
  onAnswered?(
    ctx: Context,
    answer: { route: string; status: number; seconds: number; span: RequestSpan | undefined },
  ): void
}

/**
 * Gives each request a trace id (W3C Trace Context, 32 hex digits; taken over from a caller that sent a valid one), returned as
 * `X-Request-Id`, and writes one log line when it is answered. Query strings are never logged: they carry codes and tokens.
 * @param observers who counts and times it as well
 */
export function trace(log: Logger, observers?: Observers): Middleware {
  return async (ctx, next) => {
    const { headers } = ctx.req
    const caller = readTraceparent(headers.traceparent)
    const span = observers?.tracing?.begin(caller, caller && tracestateOf(headers.tracestate))
    const traceId = span?.traceId ?? caller?.traceId ?? newTraceId()
    ctx.state.traceId = traceId
    ctx.res.setHeader('X-Request-Id', traceId)
    const started = performance.now()
    observers?.metrics.began()
    let status: number | undefined
    try {
      await (span ? span.run(next) : next())
    } catch (error) {
      status = statusOf(error)
      throw error
    } finally {
      status ??= ctx.res.statusCode
      const ms = performance.now() - started
      const route = observers?.routeOf(ctx)
      log.info(
        { method: ctx.method, route, path: shownPath(ctx.path), status, ms: Math.round(ms), trace_id: traceId },
        'request',
      )
      if (observers && route !== undefined) {
        const { method } = ctx
        observers.metrics.answered(route, method, status, ms / 1000)
        observers.onAnswered?.(ctx, { route, status, seconds: ms / 1000, span })
        span?.end({ method, route, status })
      }
    }
  }
}

function shownPath(path: string): string {
  const shown = SECRET_SEGMENT.test(path) ? path.replace(SECRET_SEGMENT, '$1:uid') : path
  return shown.length > LONGEST_PATH ? shown.slice(0, LONGEST_PATH) : shown
}

function tracestateOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && header.length <= LONGEST_TRACESTATE ? header : undefined
}

/** What Koa will answer. */
function statusOf(error: unknown): number {
  const { status } = (error ?? {}) as { status?: unknown }
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500
}
