import type { Middleware } from 'koa'
import { managementAudience, managementScopes } from '../registry/management-scopes.ts'
import { METADATA_PATH } from './challenge.ts'

/**
 * The metadata of the management API as a protected resource (RFC 9728 §2): a client that was refused finds here where it
 * gets a token, and with which scopes. Public and the same for everybody.
 */
export function resourceMetadata({ issuer }: { issuer: string }): Middleware {
  const body = JSON.stringify({
    resource: managementAudience(issuer),
    resource_name: 'Grantry management API',
    authorization_servers: [issuer],
    scopes_supported: managementScopes,
    // Tokens in the query end up in logs and histories (RFC 9700 §4.3.2).
    bearer_methods_supported: ['header'],
    resource_documentation: `${managementAudience(issuer)}/docs`,
  })

  return (ctx, next) => {
    if (ctx.path !== METADATA_PATH) return next()
    ctx.set('Allow', 'GET, HEAD, OPTIONS')
    if (ctx.method === 'OPTIONS') ctx.status = 204
    else if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
      ctx.status = 405
      ctx.body = { error: 'invalid_request', error_description: 'use GET or HEAD here' }
    } else {
      ctx.remove('Allow')
      ctx.set({ 'Cache-Control': 'public, max-age=300', 'Cross-Origin-Resource-Policy': 'cross-origin' })
      ctx.type = 'application/json'
      ctx.body = body
    }
    return undefined
  }
}
