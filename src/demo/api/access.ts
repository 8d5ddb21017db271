/**
 * Whose orders may be touched is decided by the token alone: one's own, or anybody's with the role `orders-admin`. Decided
 * before anything is looked up, so that a stranger learns nothing, not even whether a person or an order exists.
 */
import type { Call, Principal } from '../../http/api/operation.ts'
import type { VerifiedToken } from '../../resource-server/index.ts'
import { problem } from '../problems.ts'

export interface OrdersPrincipal extends Principal {
  /** Sees and changes everybody's orders, and is alone in sending them off. */
  isAdmin: boolean
  /** When the token ends, and with it what is told on its strength. */
  expiresAt: Date
}

/** A machine is the subject of its own token (RFC 9068 §2.2: `sub` is the client). */
export function principalOf({ subject, clientId, scopes, roles, expiresAt }: VerifiedToken): OrdersPrincipal {
  return {
    id: subject,
    kind: subject === clientId ? 'client' : 'user',
    scopes: new Set(scopes),
    isAdmin: roles.includes('orders-admin'),
    expiresAt,
  }
}

export function callerOf({ principal }: Pick<Call, 'principal'>): OrdersPrincipal {
  if (!principal) throw problem('unauthenticated')
  return principal as OrdersPrincipal
}

/**
 * The person whose orders are asked for; `me` is whoever asks.
 * @throws Problem 403
 */
export function ownerOf(call: Pick<Call<{ user_id: string }>, 'principal' | 'params'>): string {
  const caller = callerOf(call)
  const asked = nameable(call.params.user_id)
  if (asked === 'me' || asked === caller.id) return caller.id
  if (caller.isAdmin) return asked
  throw problem('not-your-orders')
}

/** An order that is asked for by its id alone: one's own, or with the role any. The orders of others are not there. */
export function orderOf(call: Pick<Call<{ order_id: string }>, 'principal' | 'params'>) {
  const caller = callerOf(call)
  return { orderId: nameable(call.params.order_id), userId: caller.isAdmin ? undefined : caller.id }
}

/** @throws Problem 403 */
export function assertAdmin(call: Pick<Call, 'principal'>): void {
  if (!callerOf(call).isAdmin) throw problem('orders-admin-only')
}

/** An id as PostgreSQL can take it. NUL, broken UTF-8 and a `%` that the router couldn't decode name nothing. */
export function nameable(id: string): string {
  if (!/^[\x21-\x24\x26-\x7e]{1,255}$/.test(id)) throw problem('not-found')
  return id
}
