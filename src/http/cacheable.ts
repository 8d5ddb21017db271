import type { Middleware } from 'koa'

/**
 * Public documents that anybody may cache for a while: discovery and the JWKS. A key is published for longer than this
 * before it signs, so a cached copy never lacks the signer.
 */
export function cacheable(paths: ReadonlySet<string>, maxAgeSeconds: number): Middleware {
  return async (ctx, next) => {
    if (paths.has(ctx.path) && (ctx.method === 'GET' || ctx.method === 'HEAD')) {
      ctx.set('Cache-Control', `public, max-age=${maxAgeSeconds}`)
      ctx.set('Cross-Origin-Resource-Policy', 'cross-origin')
    }
    return next()
  }
}
