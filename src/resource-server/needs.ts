/** What a request asks of a token beyond being good: what it covers, and the sign-in behind it. */
import { scopesToAsk } from './scopes-to-ask.ts'
import type { TokenRefusals } from './token-error.ts'
import type { VerifiedToken } from './verified-token.ts'

export interface VerifyOptions {
  /** What the token must cover, all of it: a list, or one text separated by spaces. */
  scope?: string | readonly string[]
  /** Kinds of sign-in of which one will do, the best first; the token must say so in `acr`. */
  acr?: readonly string[]
  /** How long ago the sign-in may be, in whole seconds; the token must say it in `auth_time`. */
  maxAgeSeconds?: number
}

const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** @throws TypeError for a scope that can't exist (RFC 6749 §3.3): a mistake in the API's own code */
export function scopeList(scope: string | readonly string[]): readonly string[] {
  const names = typeof scope === 'string' ? scope.split(' ').filter(Boolean) : scope
  const wrong = names.find((name) => !SCOPE_TOKEN.test(name))
  if (wrong !== undefined) throw new TypeError(`Not a scope: ${JSON.stringify(wrong)}`)
  return names
}

/** @throws TokenError 403 */
export function assertCovers({ scopes }: VerifiedToken, needed: readonly string[], refusals: TokenRefusals): void {
  if (!needed.every((name) => scopes.includes(name))) throw refusals.insufficient(scopesToAsk(scopes, needed).join(' '))
}

interface SignInCheck {
  signIn: Pick<VerifyOptions, 'acr' | 'maxAgeSeconds'>
  scope: string
  now: () => number
  by: TokenRefusals
}

/** RFC 9470 §3. A token that says nothing of its sign-in fits no demand on it: a machine's, or one whose API asks for no such claims. */
export function assertSignIn({ claims }: VerifiedToken, { signIn, scope, now, by }: SignInCheck): void {
  const { acr: acrValues, maxAgeSeconds } = signIn
  const { acr, auth_time: at } = claims
  const isOfKind = acrValues === undefined || (typeof acr === 'string' && acrValues.includes(acr))
  const isRecent = maxAgeSeconds === undefined || (typeof at === 'number' && now() / 1000 - at <= maxAgeSeconds)
  if (!isOfKind || !isRecent) throw by.stepUp({ acrValues, maxAgeSeconds }, scope)
}
