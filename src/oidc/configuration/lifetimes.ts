import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import type { Config } from '../../config/load.ts'
import { policyOf } from './client-metadata.ts'

const MINUTE = 60

/** Every lifetime, in seconds, set on purpose. */
export function lifetimes(config: Pick<Config, 'tokens' | 'sessions'>): NonNullable<Configuration['ttl']> {
  const { tokens, sessions } = config
  return {
    // A resource may say otherwise; a JWT can't be called back, so the default is short (RFC 9700 §4.10).
    AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? tokens.accessSeconds,
    ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? tokens.accessSeconds,
    // RFC 6749 §4.1.2 recommends ten minutes at most; a client redeems within the same second.
    AuthorizationCode: MINUTE,
    // Time to find a browser, sign in and decide (RFC 8628 §6.1 weighs it against guessing).
    DeviceCode: 10 * MINUTE,
    IdToken: tokens.accessSeconds,
    Interaction: 15 * MINUTE,
    // The grant is the family: its end is the absolute end of every refresh token in it (ASVS 5.0 §10.4.8).
    Grant: tokens.refreshAbsoluteSeconds,
    RefreshToken: (ctx) => atLeastOne(Math.min(tokens.refreshIdleSeconds, remaining(ctx))),
    Session: (_ctx, session) => {
      // A session without a person only carries a logout confirmation; anybody can make one, so it is short.
      if (!session.accountId) return 10 * MINUTE
      const end = (session.loginTs ?? epoch()) + sessions.absoluteSeconds
      return atLeastOne(Math.min(sessions.idleSeconds, end - epoch()))
    },
  }
}

/** Seconds left of the family that this request belongs to. */
function remaining(ctx: KoaContextWithOIDC): number {
  const exp = ctx.oidc.entities.Grant?.exp
  return exp === undefined ? Number.POSITIVE_INFINITY : exp - epoch()
}

/**
 * Whether what is issued now dies with the browser session. Apps in the browser always; a web app unless the person granted
 * `offline_access`; a native app lives on the device and never, but stands in the account page.
 */
export const expiresWithSession: NonNullable<Configuration['expiresWithSession']> = (ctx, source) => {
  const { client } = ctx.oidc
  const kind = client && policyOf(client).kind
  if (kind === 'native') return false
  return kind !== 'web' || !source.scopes.has('offline_access')
}

/** The registration alone decides: a client with the refresh grant gets refresh tokens, bound as `expiresWithSession` says. */
export const issueRefreshToken: NonNullable<Configuration['issueRefreshToken']> = (_ctx, client) =>
  client.grantTypeAllowed('refresh_token')

function atLeastOne(seconds: number): number {
  return Math.max(1, Math.floor(seconds))
}

function epoch(): number {
  return Math.floor(Date.now() / 1000)
}
