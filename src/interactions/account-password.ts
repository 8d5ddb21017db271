import type { Context } from 'koa'
import { RegistryError } from '../registry/registry-error.ts'
import { findPasswordProblem, HasherBusyError } from '../registry/users/password.ts'
import { findActiveUser } from '../registry/users/queries.ts'
import { setPassword } from '../registry/users/set-password.ts'
import { checkPassword } from '../registry/users/sign-in.ts'
import type { Browser } from './browser.ts'
import { pageOrigin } from './page.ts'

const BUSY_RETRY_SECONDS = 5

interface Problem {
  status: number
  error: string
}

/**
 * Changes the password of whoever sits at the browser, who must know the present one (ASVS 5.0 §6.2.3). Ends all other
 * sessions and every app's access. @returns what to tell the person when it was not done
 */
export async function changeOwnPassword(
  ctx: Context,
  { db, hasher, throttle, gate }: Browser,
  { userId, uid }: { userId: string; uid: string },
  form: Record<string, string>,
): Promise<Problem | undefined> {
  const { current_password: current = '', new_password: password = '', repeat_password: repeated = '' } = form
  if (password !== repeated) return { status: 422, error: 'mismatch' }
  const user = await findActiveUser(db.pool, userId)
  const unfit = findPasswordProblem(password, [user?.username ?? '', user?.email ?? '', user?.name ?? ''])
  try {
    const known = await checkPassword(
      db.pool,
      { hasher, throttle, gate },
      { userId, password: current, address: ctx.ip },
    )
    if (known.outcome === 'wrong') return { status: 403, error: 'wrong-current' }
    if (known.outcome === 'throttled') {
      ctx.set('Retry-After', String(known.retryAfterSeconds))
      return { status: 429, error: 'throttled' }
    }
    // Only now: what is wrong with a new password is for those who know the present one.
    if (unfit) return { status: 422, error: unfit }
    await setPassword(db.knex, { hasher }, { userId, password, keepSessionUid: uid, actor: pageOrigin(ctx, userId) })
    return undefined
  } catch (error) {
    if (error instanceof HasherBusyError) {
      ctx.set('Retry-After', String(BUSY_RETRY_SECONDS))
      return { status: 503, error: 'busy' }
    }
    if (error instanceof RegistryError && error.code === 'invalid') return { status: 422, error: error.message }
    throw error
  }
}
