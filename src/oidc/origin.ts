import type { KoaContextWithOIDC } from 'oidc-provider'
import { requestOrigin, type Channel, type Origin } from '../lib/actor.ts'

/** Someone at one of the protocol's endpoints, and whence they come as far as there is a request, for the audit log. */
export function requestedBy(ctx: KoaContextWithOIDC | undefined, actor: string, channel: Channel): Origin {
  if (!ctx) return { actor, channel }
  const traceId = ctx.response.get('x-request-id')
  return requestOrigin(actor, channel, { address: ctx.ip, userAgent: ctx.get('user-agent'), traceId })
}
