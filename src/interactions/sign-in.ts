import type { Context } from 'koa'
import { HasherBusyError } from '../registry/users/password.ts'
import { signIn, type SignInAttempt, type SignInResult } from '../registry/users/sign-in.ts'
import type { Browser, Pending } from './browser.ts'
import { showPage } from './page.ts'
import type { LoginModel } from './pages/models.ts'

const BUSY_RETRY_SECONDS = 5

/** The sign-in form, empty or with what went wrong. */
export function showSignIn(
  ctx: Context,
  { renderer, tokens }: Browser,
  pending: Pending,
  { status, ...failure }: Partial<LoginModel> & { status?: number } = {},
): void {
  const base = `/interaction/${pending.uid}`
  const model: LoginModel = {
    action: `${base}/login`,
    cancelAction: `${base}/cancel`,
    csrf: tokens.make(pending.uid),
    clientName: pending.client.name,
    loginHint: pending.loginHint,
    switchAccount: pending.userId !== undefined,
    ...failure,
  }
  const { uiLocales, redirectUri } = pending
  showPage(ctx, renderer, 'login', model, {
    ...(status ? { status } : {}),
    uiLocales,
    formTargets: redirectUri ? [redirectUri] : [],
  })
}

/**
 * Checks the password and goes on. Every failure answers alike and shows the form again with the name that was typed, so
 * that nothing is lost and nothing is told.
 */
export async function attemptSignIn(
  ctx: Context,
  browser: Browser,
  pending: Pending,
  form: Record<string, string>,
): Promise<string | undefined> {
  const { login = '', password = '' } = form
  const isStillThere = () => !ctx.res.closed
  const result = await check(browser, { login, password, address: ctx.ip, isStillThere })
  if (result.outcome === 'ok') return browser.gateway.signIn(pending, result.user)

  const loginHint = login.slice(0, 254)
  if (result.outcome === 'wrong') {
    showSignIn(ctx, browser, pending, { status: 401, error: 'wrong', loginHint })
  } else {
    const { outcome, retryAfterSeconds } = result
    ctx.set('Retry-After', String(retryAfterSeconds))
    const status = outcome === 'busy' ? 503 : 429
    showSignIn(ctx, browser, pending, { status, error: outcome, retryAfterSeconds, loginHint })
  }
  return undefined
}

async function check(
  { db, ...deps }: Browser,
  attempt: SignInAttempt,
): Promise<SignInResult | { outcome: 'busy'; retryAfterSeconds: number }> {
  try {
    return await signIn(db.pool, deps, attempt)
  } catch (error) {
    if (error instanceof HasherBusyError) return { outcome: 'busy', retryAfterSeconds: BUSY_RETRY_SECONDS }
    throw error
  }
}
