/** The paths of the protocol. Clients learn them from discovery (RFC 8414), people never type them. */
export const routes = {
  authorization: '/authorize',
  token: '/token',
  userinfo: '/userinfo',
  jwks: '/jwks',
  end_session: '/logout',
} as const

const WELL_KNOWN = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

/** Documents that verifiers and clients may cache. */
export const cacheablePaths: ReadonlySet<string> = new Set([routes.jwks, ...WELL_KNOWN])

/** Whether a path belongs to the protocol, so that everything else can be answered without the library. */
export function isProtocolPath(path: string): boolean {
  if (cacheablePaths.has(path)) return true
  return Object.values(routes).some((route) => path === route || path.startsWith(`${route}/`))
}
