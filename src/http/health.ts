import type { Middleware } from 'koa'

/**
 * `/health/live`: the process answers. `/health/ready`: it can serve. Answered before the host check, because a balancer asks
 * by address. @param isReady resolves to undefined, or to what is missing in a few words
 */
export function health(isReady: () => Promise<string | undefined>): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== '/health/live' && ctx.path !== '/health/ready') return next()
    const missing = ctx.path === '/health/ready' ? await isReady() : undefined
    ctx.set('Cache-Control', 'no-store')
    ctx.status = missing ? 503 : 200
    ctx.body = missing ? { status: 'unavailable', missing } : { status: 'ok' }
    return undefined
  }
}
