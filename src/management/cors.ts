import type { Middleware } from 'koa'
import { cors } from '../http/cors.ts'
import type { ClientOrigins } from '../registry/clients/origins.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Whose scripts may read what the management API answers: the issuer's own pages, and those of clients that may ask for
 * tokens for it. Mount it before authentication and rate limits.
 */
export function managementCors({
  issuer,
  origins,
}: {
  issuer: string
  origins: Pick<ClientOrigins, 'mayManage'>
}): Middleware {
  return cors({
    isAllowed: (origin) => origin === issuer || origins.mayManage(origin),
    methods: METHODS,
  })
}
