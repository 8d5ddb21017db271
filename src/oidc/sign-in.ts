import type { KoaContextWithOIDC } from 'oidc-provider'
import type { User } from '../registry/users/user.ts'
import { PASSWORD_SIGN_IN } from './configuration/account.ts'

/**
 * What an interaction keeps of a sign-in until the browser comes back with it, which may be minutes later: who, when, how,
 * and by which password. One that has been changed since then opens nothing.
 */
export type SignIn = {
  accountId: string
  remember: boolean
  /** Seconds: `auth_time` is when the person signed in, not when they consented (OpenID Connect Core §2). */
  ts: number
  acr: string
  amr: string[]
  /** When that password was set, in milliseconds; 0 for the first. */
  passwordSetAt: number
}

export function signInOf(user: User): SignIn {
  const ts = Math.floor(Date.now() / 1000)
  return { accountId: user.id, remember: true, ts, ...PASSWORD_SIGN_IN, passwordSetAt: passwordSetAt(user) }
}

/** Names a person's password by the millisecond at which it was set; 0 is the first. */
export function passwordSetAt({ passwordChangedAt }: User): number {
  return passwordChangedAt?.getTime() ?? 0
}

/** The same in SQL, of a row of users. */
export const PASSWORD_SET_AT = 'coalesce(floor(extract(epoch from password_changed_at) * 1000), 0)'

/** The password by which this request signs somebody in, named likewise; null when it signs nobody in. */
export function passwordOfSignIn(ctx: KoaContextWithOIDC | undefined): number | null {
  return (ctx?.oidc.result?.login as SignIn | undefined)?.passwordSetAt ?? null
}
