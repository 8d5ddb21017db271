/**
 * An API may find a sign-in too old or too weak, and its client asks for a better one by `max_age` and `acr_values`, with or
 * without OpenID Connect (RFC 9470 §4). The library has both parameters, honours them for any client, and refuses them
 * without the scope `openid` all the same.
 */
import { Provider, type KoaContextWithOIDC } from 'oidc-provider'

const PARAMETERS = ['max_age', 'acr_values'] as const
const ROUTES = new Set(['authorization', 'pushed_authorization_request'])

type Kept = Partial<Record<(typeof PARAMETERS)[number], unknown>>

interface Client {
  responseTypeAllowed?: (this: Client, type: string) => boolean
  redirectUriAllowed?: (this: Client, uri: string) => boolean
}

/**
 * Keeps the two out of sight while the library looks whether they come with `openid`. It looks after it has asked the client
 * about the response type, and before it asks about the redirect URI, at both endpoints that take such a request; what reads
 * the parameters comes later. They are not lost when it asks in another order: then requests are refused as before.
 */
export function allowStepUpWithoutOpenid(provider: Provider): void {
  const model = provider.Client.prototype as Client
  const { responseTypeAllowed, redirectUriAllowed } = model
  if (!responseTypeAllowed || !redirectUriAllowed)
    throw new Error('the library no longer asks its clients what is allowed')
  const kept = new WeakMap<KoaContextWithOIDC, Kept>()

  model.responseTypeAllowed = function (this: Client, type) {
    const { ctx } = Provider
    if (ctx && ROUTES.has(ctx.oidc.route) && !ctx.oidc.requestParamScopes.has('openid')) keep(ctx, kept)
    return responseTypeAllowed.call(this, type)
  }
  model.redirectUriAllowed = function (this: Client, uri) {
    const { ctx } = Provider
    if (ctx?.oidc.params) Object.assign(ctx.oidc.params, kept.get(ctx))
    return redirectUriAllowed.call(this, uri)
  }
}

function keep(ctx: KoaContextWithOIDC, kept: WeakMap<KoaContextWithOIDC, Kept>): void {
  const { params = {} } = ctx.oidc
  const given = PARAMETERS.filter((name) => params[name] !== undefined)
  if (given.length === 0) return
  kept.set(ctx, Object.fromEntries(given.map((name) => [name, params[name]])))
  for (const name of given) params[name] = undefined
}
