import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { holdUser } from '../revocation.ts'
import { presentConsent } from './present.ts'
import { addConsents, findConsent, resourceIds } from './queries.ts'

export interface GrantConsent {
  userId: string
  clientId: string
  openid: readonly string[]
  /** Scopes by the audience of the resource server. */
  resources: Readonly<Record<string, readonly string[]>>
  expiresAt?: Date | undefined
  actor: Actor
}

/**
 * Remembers a yes, added to what the person allowed this client before. Two at once lose nothing. Whether the client may
 * have these scopes is for the caller to know.
 * @param trx the transaction that makes the yes count
 * @throws RegistryError `not_found` when user, client or a resource does not exist
 */
export async function grantConsent(trx: Knex, consent: GrantConsent): Promise<void> {
  const { userId, clientId, openid, resources, expiresAt, actor } = consent
  const asked = Object.entries(resources).filter(([, scopes]) => scopes.length > 0)
  if (asked.length === 0 && openid.length === 0) return
  // The next yes waits, or its entry in the audit log would begin where this one does.
  await holdUser(trx, userId)
  const before = await findConsent(trx, userId, clientId)
  const ids = await resourceIds(
    trx,
    asked.map(([audience]) => audience),
  )
  await addConsents(trx, { userId, clientId, expiresAt: expiresAt ?? null }, [
    ...(openid.length > 0 ? [{ resourceId: null, scopes: [...openid] }] : []),
    ...asked.map(([audience, scopes]) => ({ resourceId: ids.get(audience) ?? null, scopes: [...scopes] })),
  ])
  const after = await findConsent(trx, userId, clientId)
  await appendEvent(trx, {
    type: 'consent.granted',
    subject: clientId,
    userId,
    clientId,
    actor,
    data: { openid, resources: Object.fromEntries(asked), expires_at: expiresAt?.toISOString() ?? null },
  })
  await recordChange(trx, actor, {
    action: 'consent.grant',
    subject: clientId,
    userId,
    before: before && presentConsent(before),
    after: presentConsent(after),
  })
}
