import type { Context, Middleware } from 'koa'
import { networkOf } from '../../lib/network.ts'
import { rateLimitHeaders } from './headers.ts'
import type { Decision, RateLimiter } from './rate-limiter.ts'

export interface PathLimit {
  /** Its name in the limiter. */
  policy: string
  /** What a POST must go to. */
  paths: ReadonlySet<string> | RegExp
  /** Pages: nothing is told to those who pass. No browser reads it, and their answers shall differ in nothing. */
  isQuiet?: true
  /** Answers in the language of the path; status and fields are set. */
  refuse(ctx: Context): void
}

/**
 * Limits on POST requests by the address they come from.
 *
 * At the endpoints of OAuth not by client: before its secret is checked a client is a mere claim, and the check is the
 * library's, with the body that only the library reads. To count by the claim would let anybody use up the quota of a client
 * whose id they know (ids are public), and to count by address and claim together would let anybody have as many quotas as
 * they make up names. The address can't be chosen.
 */
export function pathLimits(limiter: RateLimiter, limits: readonly PathLimit[]): Middleware {
  return async (ctx, next) => {
    const limit = ctx.method === 'POST' ? limits.find(({ paths }) => matches(paths, ctx.path)) : undefined
    if (!limit) return next()
    const decision = await limiter.take(limit.policy, networkOf(ctx.ip))
    if (!decision.allowed || !limit.isQuiet) tell(ctx, decision)
    if (decision.allowed) return next()
    ctx.status = 429
    limit.refuse(ctx)
    return undefined
  }
}

/** Straight to Node: this is told with every token. */
function tell({ res }: Context, decision: Decision): void {
  const headers = rateLimitHeaders([decision])
  for (const name in headers) res.setHeader(name, headers[name]!)
}

function matches(paths: ReadonlySet<string> | RegExp, path: string): boolean {
  return paths instanceof RegExp ? paths.test(path) : paths.has(path)
}

/** To a client of OAuth. RFC 6749 has no code of its own for it; this one says that the same request may succeed later. */
export function refuseClient(ctx: Context): void {
  ctx.set('Cache-Control', 'no-store')
  ctx.body = { error: 'temporarily_unavailable', error_description: 'too many requests from this address' }
}
