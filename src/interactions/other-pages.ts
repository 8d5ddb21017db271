import type { Context, Middleware } from 'koa'
import { passingFault, retryAfter } from '../database/passing-fault.ts'
import type { Logger } from '../telemetry/logger.ts'
import { showPage } from './page.ts'
import type { Renderer } from './pages/render.ts'

/** Style sheet and pictures of the pages, by addresses that change with their content. */
export function serveAssets({ assets }: Renderer): Middleware {
  return (ctx, next) => {
    const asset = ctx.method === 'GET' || ctx.method === 'HEAD' ? assets.find(ctx.path) : undefined
    if (!asset) return next()
    ctx.set({ 'Cache-Control': asset.cacheControl, ETag: asset.etag })
    ctx.type = asset.type
    ctx.body = asset.body
    return undefined
  }
}

/**
 * Whatever fails further in: an answer with the number under which the log tells more, and nothing of the error itself. A
 * database that is out of reach passes, and is told as that.
 */
export function failed(renderer: Renderer, log: Logger): Middleware {
  return async (ctx, next) => {
    try {
      await next()
    } catch (err) {
      if (ctx.headerSent || !ctx.writable) throw err
      const traceId = String(ctx.state.traceId)
      const passing = passingFault(err)
      if (passing) {
        log.warn({ err, trace_id: traceId }, 'a page is not available for now')
        ctx.set('Retry-After', retryAfter[passing])
      } else log.error({ err, trace_id: traceId }, 'a page failed')
      ctx.remove('Location')
      const code = passing ? 'temporarily_unavailable' : 'server_error'
      showPage(ctx, renderer, 'error', { code, traceId }, { status: passing ? 503 : 500 })
    }
  }
}

/** What a person sees who asked too often; `Retry-After` is set. */
export function tooMany(renderer: Renderer): (ctx: Context) => void {
  return (ctx) => {
    const model = { code: 'too_many_requests', traceId: String(ctx.state.traceId) }
    showPage(ctx, renderer, 'error', model, { status: 429 })
  }
}

/** The end of the line: nothing answers at this address. `/` leads to the one page that a person may look for. */
export function notFound(renderer: Renderer): Middleware {
  return (ctx) => {
    if (ctx.body !== undefined || ctx.status !== 404) return
    if (ctx.path === '/') return ctx.redirect('/account')
    if (ctx.accepts('html', 'json') === 'json') {
      ctx.status = 404
      ctx.body = { error: 'not_found', error_description: 'there is nothing at this address' }
    } else {
      showPage(ctx, renderer, 'not-found', {}, { status: 404 })
    }
  }
}
