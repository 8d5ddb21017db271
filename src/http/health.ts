import type { Middleware } from 'koa'
import type { Phase } from './door.ts'

/**
 * `/health/live`: the process answers. `/health/ready`: it can serve: `ready`, `draining` (about to end: send nobody here any
 * more) or `unavailable` with what is missing; while it starts the door says `starting` by itself. Answered before the host
 * check, because a balancer asks by address.
 * @param isReady resolves to undefined, or to what is missing in a few words
 */
export function health(isReady: () => Promise<string | undefined>, phase: () => Phase = () => 'ready'): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== '/health/live' && ctx.path !== '/health/ready') return next()
    ctx.set('Cache-Control', 'no-store')
    if (ctx.path === '/health/live') {
      ctx.body = { status: 'ok' }
      return undefined
    }
    const draining = phase() === 'draining'
    const missing = draining ? undefined : await isReady()
    ctx.status = draining || missing ? 503 : 200
    ctx.body = draining ? { status: 'draining' } : missing ? { status: 'unavailable', missing } : { status: 'ready' }
    return undefined
  }
}
