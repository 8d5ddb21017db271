import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Context } from 'koa'
import { FormError, readForm, requireSameOrigin } from '../http/form.ts'
import { contentSecurityPolicy } from '../http/security-headers.ts'
import { requestOrigin, type Origin } from '../lib/actor.ts'
import { chooseLocale, type Locale } from './pages/locale.ts'
import type { PageModels, PageName } from './pages/models.ts'
import type { Renderer } from './pages/render.ts'

export interface PageOptions {
  status?: number
  /** `ui_locales` of the authorization request. */
  uiLocales?: string | undefined
  /** Where a form of this page may lead beside this server: the client's redirect URI. */
  formTargets?: string[]
}

export function localeOf(ctx: Context, uiLocales?: string): Locale {
  return chooseLocale({ uiLocales, acceptLanguage: ctx.get('accept-language') })
}

/** The person at this browser, and whence they come, for the audit log. */
export function pageOrigin(ctx: Context, userId: string): Origin {
  const traceId = String(ctx.state.traceId)
  return requestOrigin(userId, 'page', { address: ctx.ip, userAgent: ctx.get('user-agent'), traceId })
}

/** Answers with a page: never stored, never framed, no script, forms only to where they must lead. */
export function showPage<P extends PageName>(
  ctx: Context,
  renderer: Renderer,
  page: P,
  model: PageModels[P],
  { status = 200, uiLocales, formTargets = [] }: PageOptions = {},
): void {
  const locale = localeOf(ctx, uiLocales)
  ctx.set({
    // Chromium holds form-action against every redirect that follows the post, so the client's address must be in it.
    'Content-Security-Policy': contentSecurityPolicy({
      'style-src': ["'self'"],
      'img-src': ["'self'", 'data:'],
      'form-action': ["'self'", ...formTargets.flatMap(formTarget)],
    }),
    'Cache-Control': 'no-store',
    'Content-Language': locale,
  })
  ctx.vary('Accept-Language')
  ctx.status = status
  ctx.type = 'html'
  ctx.body = renderer.render(page, locale, model)
}

/** Goes on elsewhere by GET. 303, never 307: what was posted here must not be posted on (RFC 9700 §4.12). */
export function seeOther(ctx: Context, destination: string): void {
  ctx.redirect(destination)
  ctx.status = 303
}

/** A redirect URI as a CSP source: its origin, or its scheme where an app on the device takes over (RFC 8252 §7). */
function formTarget(uri: string): string[] {
  const url = URL.parse(uri)
  if (!url) return []
  // A policy can't name an IPv6 address (CSP3 §2.3.1): browsers drop such a source, and with it the way back to the app.
  const isNameable = (url.protocol === 'https:' || url.protocol === 'http:') && !url.hostname.startsWith('[')
  return [isNameable ? url.origin : url.protocol]
}

/** Tokens that tie a form to what it was shown for. The first key makes them, every key is accepted. */
export interface FormTokens {
  make(purpose: string): string
  /** @throws FormError when the token does not belong to this purpose */
  check(purpose: string, token: string | undefined): void
}

export function createFormTokens([current, ...retired]: readonly [Buffer, ...Buffer[]]): FormTokens {
  const mac = (key: Buffer, purpose: string) => createHmac('sha256', key).update(purpose).digest('base64url')
  return {
    make: (purpose) => mac(current, purpose),
    check(purpose, token) {
      const given = Buffer.from(token ?? '')
      const fits = [current, ...retired].some((key) => {
        const wanted = Buffer.from(mac(key, purpose))
        return wanted.length === given.length && timingSafeEqual(wanted, given)
      })
      if (!fits) throw new FormError(403, 'the form is not from this page; load the page again')
    },
  }
}

/** Reads a form of ours: from our own origin, and carrying the token that the page was given. @throws FormError */
export async function readOwnForm(
  ctx: Context,
  { origin, tokens, purpose }: { origin: string; tokens: FormTokens; purpose: string },
): Promise<Record<string, string>> {
  requireSameOrigin(ctx, origin)
  const form = await readForm(ctx)
  tokens.check(purpose, form.csrf)
  return form
}
