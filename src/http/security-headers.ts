import type { Middleware } from 'koa'

/**
 * What every response says to browsers; pages that need more set their own Content-Security-Policy. `script-src` is named so
 * that the library can add the hash of its form_post page to it.
 */
export function securityHeaders({ https }: { https: boolean }): Middleware {
  const headers = Object.entries({
    'Content-Security-Policy': contentSecurityPolicy({ 'script-src': ["'self'"] }),
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    // Codes and interaction ids stand in addresses; no address may travel on in a Referer (RFC 9700 §4.2.4).
    'Referrer-Policy': 'no-referrer',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=()',
    'Cross-Origin-Resource-Policy': 'same-site',
    'Cache-Control': 'no-store',
    ...(https ? { 'Strict-Transport-Security': 'max-age=63072000; includeSubDomains' } : {}),
  })
  return ({ res }, next) => {
    // Straight to Node, with every answer: Koa would normalize each of them first.
    for (const [name, value] of headers) res.setHeader(name, value)
    return next()
  }
}

/** A policy that forbids everything but what is listed. */
export function contentSecurityPolicy(allow: Record<string, string[]>): string {
  const directives = { 'default-src': ["'none'"], 'base-uri': ["'none'"], 'frame-ancestors': ["'none'"], ...allow }
  return Object.entries(directives)
    .map(([name, sources]) => [name, ...sources].join(' '))
    .join('; ')
}
