/**
 * `interactions` is the person's side of the protocol: sign-in, consent, sign-out, and the account page. It owns what
 * happens when a form arrives. The protocol is reached through the gateway that is handed in; SQL is the registry's.
 *
 *   /authorize ──▶ /interaction/:uid (sign in) ──▶ /authorize/:uid ──▶ /interaction/:uid (consent) ──▶ … ──▶ the client
 */
import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { FormError } from '../http/form.ts'
import { accountRoutes } from './account.ts'
import type { Browser, Pending } from './browser.ts'
import { allow, showConsent } from './consent.ts'
import { readOwnForm, seeOther, showPage } from './page.ts'
import { attemptSignIn, showSignIn } from './sign-in.ts'

/** Where a password is sent, in every spelling that the router takes. */
export const signInPath = /^\/interaction\/[^/]+\/login\/?$/i

export function createInteractions(browser: Browser): Middleware[] {
  const { gateway, renderer, tokens, issuer } = browser
  const router = new Router({ prefix: '/interaction/:uid' })

  router.get('/', async (ctx) => {
    const pending = await pendingOf(ctx)
    if (!pending) return showExpired(ctx)
    return pending.prompt === 'login' ? showSignIn(ctx, browser, pending) : showConsent(ctx, browser, pending)
  })
  router.post(
    '/login',
    decide('login', (ctx, pending, form) => attemptSignIn(ctx, browser, pending, form)),
  )
  router.post(
    '/consent',
    decide('consent', (ctx, pending, form) => {
      if (form.decision !== 'allow') throw new FormError(400, 'decision must be allow')
      return allow(ctx, browser, pending)
    }),
  )
  router.post(
    '/cancel',
    decide('any', (_ctx, pending) => gateway.refuse(pending)),
  )
  router.post(
    '/switch-account',
    decide('any', (_ctx, pending) => Promise.resolve(pending.restartUri)),
  )

  /** The interaction named in the path, if it is this browser's. */
  async function pendingOf(ctx: Context): Promise<Pending | undefined> {
    const pending = await gateway.find(ctx.req, ctx.res)
    return pending?.uid === (ctx.params as { uid?: string }).uid ? pending : undefined
  }

  /** A form handler: it answers itself and returns nothing, or returns where to go on. */
  function decide(
    prompt: Pending['prompt'] | 'any',
    handle: (ctx: Context, pending: Pending, form: Record<string, string>) => Promise<string | undefined>,
  ): Middleware {
    return async (ctx) => {
      const pending = await pendingOf(ctx)
      if (!pending || (prompt !== 'any' && pending.prompt !== prompt)) return showExpired(ctx)
      const form = await readOwnForm(ctx, { origin: issuer, tokens, purpose: pending.uid })
      const answered = ctx.body
      const destination = await handle(ctx, pending, form)
      if (destination !== undefined) seeOther(ctx, destination)
      else if (ctx.body === answered) showExpired(ctx)
      return undefined
    }
  }

  function showExpired(ctx: Context): void {
    showPage(ctx, renderer, 'expired', {}, { status: 400 })
  }

  return [formErrors(browser), router.routes() as Middleware, accountRoutes(browser)]
}

/** A form that can't be accepted becomes a page that says why. */
function formErrors({ renderer }: Browser): Middleware {
  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      if (!(error instanceof FormError)) throw error
      const model = { code: 'invalid_request', description: error.message, traceId: String(ctx.state.traceId) }
      showPage(ctx, renderer, 'error', model, { status: error.status })
    }
  }
}
