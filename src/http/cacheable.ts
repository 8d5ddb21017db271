import type { Middleware } from 'koa'

export interface CacheableOptions {
  maxAgeSeconds: number
  /** What is at a path, as it is sent, where that is known; else whoever stands further in answers. */
  documentAt: (path: string) => { type: string; body: Buffer } | undefined
}

/**
 * Public documents that anybody may cache for a while: discovery and the JWKS. A key is published for longer than this
 * before it signs, so a cached copy never lacks the signer. What is known is answered here, from memory: every verifier
 * lives on these, and a verifier that asks too often costs next to nothing.
 */
export function cacheable({ maxAgeSeconds, documentAt }: CacheableOptions): Middleware {
  const cacheControl = `public, max-age=${maxAgeSeconds}`
  return (ctx, next) => {
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') return next()
    ctx.set('Cache-Control', cacheControl)
    ctx.set('Cross-Origin-Resource-Policy', 'cross-origin')
    const known = documentAt(ctx.path)
    if (!known) return next()
    ctx.set('Content-Type', known.type)
    ctx.body = known.body
    return undefined
  }
}
