import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Context } from 'koa'
import type { DeviceForm } from '../oidc/device-flow.ts'
import { showPage } from './page.ts'
import type { Renderer } from './pages/render.ts'

/** The pages that the protocol itself shows: an error that can't go back to the client, the code of a device, and sign-out. */
export function createProtocolPages(renderer: Renderer) {
  const page = (ctx: KoaContextWithOIDC) => ctx as unknown as Context
  const clientName = ({ oidc }: KoaContextWithOIDC) => oidc.client?.clientName
  const uiLocales = ({ oidc }: KoaContextWithOIDC) => {
    const wish = oidc.params?.ui_locales
    return typeof wish === 'string' ? wish : undefined
  }

  return {
    error(ctx: KoaContextWithOIDC, out: { error: string; error_description?: string | undefined }): void {
      // The library has set the status. A session that is over is no fault of the person's.
      const { status } = ctx
      const over = ctx.oidc.route === 'resume' && out.error === 'invalid_request'
      if (over) return showPage(page(ctx), renderer, 'expired', { clientName: clientName(ctx) }, { status })
      const traceId = ctx.response.get('x-request-id')
      const model = { code: out.error, description: out.error_description, clientName: clientName(ctx), traceId }
      showPage(page(ctx), renderer, 'error', model, { status, uiLocales: uiLocales(ctx) })
    },

    confirmLogout(ctx: KoaContextWithOIDC, form: { action: string; xsrf: string }): void {
      const back = ctx.oidc.params?.post_logout_redirect_uri
      const formTargets = typeof back === 'string' ? [back] : []
      const model = { ...form, clientName: clientName(ctx) }
      showPage(page(ctx), renderer, 'logout', model, { uiLocales: uiLocales(ctx), formTargets })
    },

    loggedOut(ctx: KoaContextWithOIDC): void {
      showPage(page(ctx), renderer, 'logged-out', { clientName: clientName(ctx) })
    },

    device: {
      form(ctx: KoaContextWithOIDC, form: DeviceForm): void {
        const { problem, retryAfterSeconds } = form
        if (retryAfterSeconds !== undefined) ctx.set('Retry-After', String(retryAfterSeconds))
        const status = problem === undefined ? 200 : problem === 'throttled' ? 429 : 400
        showPage(page(ctx), renderer, 'device', form, { status })
      },
      over(ctx: KoaContextWithOIDC, restartUri: string): void {
        showPage(page(ctx), renderer, 'expired', { restartUri }, { status: 400 })
      },
      done(ctx: KoaContextWithOIDC, outcome: 'approved' | 'refused'): void {
        const model = { outcome, clientName: clientName(ctx) }
        showPage(page(ctx), renderer, 'device-done', model, { uiLocales: uiLocales(ctx) })
      },
    },
  }
}
