import { randomBytes } from 'node:crypto'
import type { Middleware } from 'koa'
import type { Logger } from '../telemetry/logger.ts'

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/
const NO_TRACE = '0'.repeat(32)

/** One path segment that is a bearer value or a personal id: an interaction's uid stands in its page's address. */
const SECRET_SEGMENT = /^(\/(?:interaction|authorize|device)\/)[^/]+/

/** Longer than any path of ours; what strangers make up must not fill the log. */
const LONGEST_PATH = 200

/**
 * Gives each request a trace id (W3C Trace Context, 32 hex digits; taken over from a caller that sent one), returned as
 * `X-Request-Id`, and writes one log line when it is answered. Query strings are never logged: they carry codes and tokens.
 */
export function trace(log: Logger): Middleware {
  return async (ctx, next) => {
    const given = TRACEPARENT.exec(ctx.get('traceparent'))?.[1]
    const traceId = given && given !== NO_TRACE ? given : randomBytes(16).toString('hex')
    ctx.state.traceId = traceId
    ctx.set('X-Request-Id', traceId)
    const started = performance.now()
    try {
      await next()
    } finally {
      const path = ctx.path.replace(SECRET_SEGMENT, '$1:uid').slice(0, LONGEST_PATH)
      const ms = Math.round(performance.now() - started)
      log.info({ method: ctx.method, path, status: ctx.res.statusCode, ms, trace_id: traceId }, 'request')
    }
  }
}
