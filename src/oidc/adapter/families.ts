/**
 * A grant is a token family. Revoking it is deleting its row: codes, tokens and refresh tokens go with it (the foreign keys
 * cascade), the lock on the row makes a rotation that races the deletion either finish before it, and be deleted, or fail.
 */
import { Provider, type KoaContextWithOIDC } from 'oidc-provider'
import type pg from 'pg'
import type { EventType } from '../../events/catalogue.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { run, statement } from './statement.ts'

export interface Families {
  /** Revokes a family once; the reason becomes the event, in the same statement. */
  revoke(grantId: string | undefined): Promise<void>
}

const REVOKE = statement(`
  with gone as (delete from grants where id = $1 returning id, user_id, client_id)
  insert into events (type, actor, subject, user_id, client_id)
  select $2, 'system', id, user_id, client_id from gone
  returning user_id, client_id`)

const ATTACKS: Partial<Record<EventType, string>> = {
  'refresh_token.reuse_detected': 'a rotated refresh token was used again: its family is revoked',
  'authorization_code.reuse_detected': 'an authorization code was used again: what it issued is revoked',
}

export function createFamilies({ pool, log }: { pool: pg.Pool; log: Logger }): Families {
  return {
    async revoke(grantId) {
      // A library bug once passed undefined here, and some adapters revoked everything.
      if (!grantId) return
      const reason = revocationReason(Provider.ctx)
      const rows = await run<{ user_id: string; client_id: string }>(pool, REVOKE, [grantId, reason])
      for (const row of rows) {
        const attack = ATTACKS[reason]
        const facts = { event: reason, grant_id: grantId, ...row }
        if (attack) log.warn(facts, attack)
        else log.info(facts, 'a grant was revoked')
      }
    },
  }
}

/** The library says only "revoke"; where it says so tells why. At the token endpoint the one cause is reuse (RFC 9700 §4.14.2). */
function revocationReason(ctx: KoaContextWithOIDC | undefined): EventType {
  if (ctx?.oidc.route !== 'token') return 'grant.revoked'
  const grantType = ctx.oidc.params?.grant_type
  return grantType === 'authorization_code' ? 'authorization_code.reuse_detected' : 'refresh_token.reuse_detected'
}
