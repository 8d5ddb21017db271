/**
 * The account page: where a person is signed in, which apps have access, and how to end either. It wants to know who sits at
 * the browser, nothing more, so it signs in like any app, by an authorization request of its own client, and throws the code
 * away.
 */
import { createHash, randomBytes } from 'node:crypto'
import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { FormError } from '../http/form.ts'
import { isId } from '../lib/ids.ts'
import { ACCOUNT_CLIENT_ID } from '../registry/clients/client.ts'
import { listConnectedApps } from '../registry/consents/queries.ts'
import { withdrawConsent } from '../registry/consents/withdraw.ts'
import { endOtherSessions, endSession } from '../registry/sessions/end.ts'
import { listSessions } from '../registry/sessions/queries.ts'
import { findActiveUser } from '../registry/users/queries.ts'
import { changeOwnPassword } from './account-password.ts'
import type { Browser } from './browser.ts'
import { localeOf, pageOrigin, readOwnForm, seeOther, showPage } from './page.ts'
import type { AccountModel } from './pages/models.ts'
import { describeScope, openidScopeWords } from './scope-words.ts'

const CALLBACK = '/account/callback'

const NOTICES = ['session-ended', 'access-revoked', 'password-changed', 'others-ended'] as const
type Notice = (typeof NOTICES)[number]

interface Visitor {
  userId: string
  uid: string
}

export function accountRoutes(browser: Browser): Middleware {
  const { gateway, db, issuer, tokens } = browser
  const router = new Router({ prefix: '/account' })

  router.get('/', async (ctx) => {
    const visitor = await gateway.session(ctx.req, ctx.res)
    return visitor ? showAccount(ctx, browser, visitor) : signInFirst(ctx, issuer)
  })

  router.get('/callback', async (ctx) => {
    const { state, code } = ctx.query
    const cookie = stateCookie(issuer)
    const expected = ctx.cookies.get(cookie.name)
    ctx.cookies.set(cookie.name, null, cookie.options)
    if (typeof code === 'string') await gateway.discardCode(code)
    // The answer to a question that this browser did not ask may sign it in as somebody else: ask again (RFC 6749 §10.12).
    if (!expected || state !== expected) return seeOther(ctx, '/account')
    if (ctx.query.error !== undefined) {
      const model = { code: String(ctx.query.error).slice(0, 60), traceId: String(ctx.state.traceId) }
      return showPage(ctx, browser.renderer, 'error', model, { status: 403 })
    }
    return seeOther(ctx, '/account')
  })

  router.post(
    '/sessions/end',
    change(async (ctx, { userId }, { uid = '' }) => {
      await endSession(db.knex, { userId, uid, actor: pageOrigin(ctx, userId) })
      return 'session-ended'
    }),
  )
  router.post(
    '/sessions/end-others',
    change(async (ctx, { userId, uid }) => {
      await endOtherSessions(db.knex, { userId, keepUid: uid, actor: pageOrigin(ctx, userId) })
      return 'others-ended'
    }),
  )
  router.post(
    '/apps/revoke',
    change(async (ctx, { userId }, { client_id: clientId = '' }) => {
      if (!isId('cli', clientId)) throw new FormError(400, 'client_id is not the id of a client')
      await withdrawConsent(db.knex, { userId, clientId, actor: pageOrigin(ctx, userId) })
      return 'access-revoked'
    }),
  )
  router.post(
    '/password',
    change(async (ctx, visitor, form) => {
      const problem = await changeOwnPassword(ctx, browser, visitor, form)
      if (problem) await showAccount(ctx, browser, visitor, { passwordError: problem.error, status: problem.status })
      return problem ? undefined : 'password-changed'
    }),
  )

  router.post(
    '/sign-out',
    change(async (ctx, { userId, uid }) => {
      await endSession(db.knex, { userId, uid, actor: pageOrigin(ctx, userId) })
      seeOther(ctx, '/logout/success')
      return undefined
    }),
  )

  /** A form of the account page. Afterwards the page is shown afresh, so that reloading repeats nothing. */
  function change(
    act: (ctx: Context, visitor: Visitor, form: Record<string, string>) => Promise<Notice | undefined>,
  ): Middleware {
    return async (ctx) => {
      const visitor = await gateway.session(ctx.req, ctx.res)
      if (!visitor) return seeOther(ctx, '/account')
      const form = await readOwnForm(ctx, { origin: issuer, tokens, purpose: formPurpose(visitor) })
      const notice = await act(ctx, visitor, form)
      if (notice) seeOther(ctx, `/account?notice=${notice}`)
      return undefined
    }
  }

  return router.routes() as Middleware
}

function formPurpose({ uid }: Visitor): string {
  return `account:${uid}`
}

async function showAccount(
  ctx: Context,
  { db, renderer, tokens }: Browser,
  visitor: Visitor,
  { passwordError, status = 200 }: { passwordError?: string; status?: number } = {},
): Promise<void> {
  const user = await findActiveUser(db.pool, visitor.userId)
  if (!user) return showPage(ctx, renderer, 'expired', {}, { status: 400 })
  const locale = localeOf(ctx)
  const [sessions, apps] = await Promise.all([listSessions(db.knex, user.id), listConnectedApps(db.knex, user.id)])
  const notice = NOTICES.find((known) => known === ctx.query.notice)
  const model: AccountModel = {
    csrf: tokens.make(formPurpose(visitor)),
    user: { name: user.name, username: user.username },
    sessions: sessions.map((session) => ({
      ...session,
      current: session.uid === visitor.uid,
      signedInAt: session.signedInAt ?? session.lastSeenAt,
    })),
    apps: apps
      .filter(({ clientId }) => clientId !== ACCOUNT_CLIENT_ID)
      .map((app) => ({
        clientId: app.clientId,
        name: app.name,
        firstParty: app.firstParty,
        since: app.consentedAt ?? app.lastUsedAt ?? new Date(),
        lastUsedAt: app.lastUsedAt,
        families: app.liveFamilies,
        scopes: [
          ...app.openid.map((name) => ({ name, description: openidScopeWords(name, locale) })),
          ...app.resources.flatMap(({ scopes }) =>
            scopes.map((scope) => ({ name: scope.name, description: describeScope(scope, locale) })),
          ),
        ],
      })),
    signOutAction: '/account/sign-out',
    ...(notice ? { notice } : {}),
    ...(passwordError === undefined ? {} : { passwordError }),
  }
  showPage(ctx, renderer, 'account', model, { status })
}

/** As the protocol's own cookies are: behind TLS with a prefix, so that nothing without TLS can set it. */
function stateCookie(issuer: string) {
  const secure = issuer.startsWith('https:')
  return {
    name: secure ? '__Secure-account_state' : 'account_state',
    options: { path: CALLBACK, httpOnly: true, sameSite: 'lax', secure, signed: false },
  } as const
}

function signInFirst(ctx: Context, issuer: string): void {
  const state = randomBytes(16).toString('base64url')
  // The code is thrown away, so nobody ever needs the verifier behind this challenge.
  const challenge = createHash('sha256').update(randomBytes(32)).digest('base64url')
  const cookie = stateCookie(issuer)
  ctx.cookies.secure = cookie.options.secure
  ctx.cookies.set(cookie.name, state, cookie.options)
  const query = new URLSearchParams({
    client_id: ACCOUNT_CLIENT_ID,
    redirect_uri: issuer + CALLBACK,
    response_type: 'code',
    scope: 'openid',
    state,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  })
  seeOther(ctx, `/authorize?${query}`)
}
