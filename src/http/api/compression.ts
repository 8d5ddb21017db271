/** Answers of a kibibyte and more leave as gzip, Brotli or Zstandard, whichever the caller prefers. */
import type { Context, Middleware } from 'koa'
import koaCompress from 'koa-compress'
import { codedTag } from './etag.ts'

/** Compressed and clear bytes are different representations, so their strong tags differ (RFC 9110 §8.8.3.3). */
export function compression(): Middleware {
  const compress = koaCompress({ threshold: 1024, deflate: false })
  return async (ctx, next) => {
    await compress(ctx, next)
    const coding = ctx.response.get('content-encoding')
    const tag = ctx.response.get('etag')
    if (coding && tag) ctx.set('etag', codedTag(tag, coding))
  }
}

/** For answers with secrets: their length would tell of them to whoever can add text of their own (BREACH). And for streams. */
export function leaveUncompressed(ctx: Context): void {
  ;(ctx as Context & { compress?: boolean }).compress = false
}
