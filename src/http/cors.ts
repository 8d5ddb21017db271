import type { Context, Middleware } from 'koa'

export interface CorsOptions {
  /**
   * Whether scripts of this origin may read the answers. `anyone` is for public documents that are the same for everybody.
   * `null` is never asked about: every sandboxed frame and local file has that origin, and any page can put itself into one.
   */
  isAllowed: 'anyone' | ((origin: string, ctx: Context) => boolean | Promise<boolean>)
  /** What a preflight may ask for. */
  methods: readonly string[] | ((ctx: Context) => readonly string[])
  allowHeaders?: readonly string[]
  exposeHeaders?: readonly string[]
}

/** Request headers beyond those that the Fetch standard lets through. A `*` would not cover Authorization (§4.9 there). */
export const corsAllowHeaders: readonly string[] = [
  'Authorization',
  'Content-Type',
  'DPoP',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Prefer',
  'API-Version',
  'X-API-Key',
]

export const corsExposeHeaders: readonly string[] = [
  'ETag',
  'Link',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'Deprecation',
  'Sunset',
  'WWW-Authenticate',
  'DPoP-Nonce',
  'Idempotent-Replayed',
  'API-Version',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-Request-Id',
]

/** Two hours: browsers of the Chromium family keep a preflight no longer. */
const MAX_AGE_SECONDS = '7200'

/**
 * Lets scripts of allowed origins read answers (Fetch standard, CORS protocol). It answers preflights itself, before anybody
 * asks for credentials or counts requests: a preflight carries neither. Origins are echoed one by one, never with
 * `Access-Control-Allow-Credentials`: tokens travel in a header that the script sets, and cookies must not ride along.
 *
 * It protects nothing from programs that are no browsers, and an origin that is not allowed is not refused: its script
 * just reads nothing. `Access-Control-Expose-Headers` stands on every answer, where it means nothing without an allowed
 * origin; it tells whoever answers further in that this has been decided.
 */
export function cors(options: CorsOptions): Middleware {
  const allowHeaders = (options.allowHeaders ?? corsAllowHeaders).join(', ')
  const exposeHeaders = (options.exposeHeaders ?? corsExposeHeaders).join(', ')

  return async (ctx, next) => {
    // Also on answers to nobody's script: a cache must not hand one origin's answer to another.
    ctx.vary('Origin')
    const allowed = await allowedOrigin(options, ctx)
    if (allowed !== undefined) ctx.set('Access-Control-Allow-Origin', allowed)

    if (ctx.method !== 'OPTIONS' || ctx.get('Access-Control-Request-Method') === '') {
      ctx.set('Access-Control-Expose-Headers', exposeHeaders)
      return next()
    }
    if (allowed !== undefined) {
      const methods = typeof options.methods === 'function' ? options.methods(ctx) : options.methods
      ctx.set('Access-Control-Allow-Methods', methods.join(', '))
      ctx.set('Access-Control-Allow-Headers', allowHeaders)
      ctx.set('Access-Control-Max-Age', MAX_AGE_SECONDS)
    }
    ctx.status = 204
    return undefined
  }
}

/** What `Access-Control-Allow-Origin` is to say; undefined for nothing. */
async function allowedOrigin({ isAllowed }: CorsOptions, ctx: Context): Promise<string | undefined> {
  const origin = ctx.get('Origin')
  if (origin === 'null') return undefined
  if (isAllowed === 'anyone') return '*'
  return origin !== '' && (await isAllowed(origin, ctx)) ? origin : undefined
}
