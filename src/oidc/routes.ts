import type { Middleware } from 'koa'

/** The paths of the protocol. Clients learn them from discovery (RFC 8414), people never type them. */
export const routes = {
  authorization: '/authorize',
  pushed_authorization_request: '/par',
  token: '/token',
  userinfo: '/userinfo',
  jwks: '/jwks',
  introspection: '/introspect',
  revocation: '/revoke',
  device_authorization: '/device_authorization',
  code_verification: '/device',
  end_session: '/logout',
} as const

/** Where apps register themselves; answered in front of the library (registration/). */
export const registrationPath = '/register'

const WELL_KNOWN = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server']

/** Documents that verifiers and clients may cache. */
export const cacheablePaths: ReadonlySet<string> = new Set([routes.jwks, ...WELL_KNOWN])

/** Where a request that anybody can make leaves a row behind. */
export const anonymousPaths: ReadonlySet<string> = new Set([
  routes.authorization,
  routes.pushed_authorization_request,
  routes.end_session,
  routes.device_authorization,
  routes.code_verification,
])

const READ = ['GET', 'HEAD'] as const
const SHARED = [...READ, 'OPTIONS'] as const

/** Where clients prove who they are. */
export const clientPaths: ReadonlySet<string> = new Set([
  routes.token,
  routes.pushed_authorization_request,
  routes.introspection,
  routes.revocation,
  routes.device_authorization,
])

/**
 * Where scripts of registered origins may call. Introspection is for servers (RFC 7662 §2.1) and a device has no scripts: they
 * are here to be decided, and the answer is no.
 */
const SCRIPTED = new Set<string>([
  routes.token,
  routes.pushed_authorization_request,
  routes.userinfo,
  routes.revocation,
])
export const corsPaths: ReadonlySet<string> = new Set([...SCRIPTED, routes.introspection, routes.device_authorization])

export function isForScripts(path: string): boolean {
  return SCRIPTED.has(path)
}

const METHODS = new Map<string, readonly string[]>([
  ...[...cacheablePaths].map((path) => [path, SHARED] as const),
  [routes.authorization, READ],
  [routes.pushed_authorization_request, ['POST', 'OPTIONS']],
  [routes.token, ['POST', 'OPTIONS']],
  [routes.introspection, ['POST', 'OPTIONS']],
  [routes.revocation, ['POST', 'OPTIONS']],
  [routes.userinfo, [...SHARED, 'POST']],
  [routes.device_authorization, ['POST', 'OPTIONS']],
  [routes.code_verification, [...READ, 'POST']],
  [routes.end_session, READ],
  [`${routes.end_session}/confirm`, ['POST']],
  [`${routes.end_session}/success`, READ],
])

const RESUME = new RegExp(`^(?:${routes.authorization}|${routes.code_verification})/[^/]+$`)

/** The methods of a path of the protocol; undefined for every other path, which can be answered without the library. */
export function protocolMethods(path: string): readonly string[] | undefined {
  return METHODS.get(path) ?? (isResumePath(path) ? READ : undefined)
}

/** Where an authorization request goes on after a sign-in or consent. */
export function isResumePath(path: string): boolean {
  return RESUME.test(path)
}

/** A middleware for these paths alone: a token request, which passes all of the library's, waits for no other's. */
export function onlyAt(paths: ReadonlySet<string>, middleware: Middleware): Middleware {
  return (ctx, next) => (paths.has(ctx.path) ? middleware(ctx, next) : next())
}
