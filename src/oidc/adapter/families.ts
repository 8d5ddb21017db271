/**
 * A grant is a token family. Revoking it is deleting its row: codes, tokens and refresh tokens go with it (the foreign keys
 * cascade), the lock on the row makes a rotation that races the deletion either finish before it, and be deleted, or fail.
 */
import { Provider, type KoaContextWithOIDC } from 'oidc-provider'
import type pg from 'pg'
import { run, statement } from '../../database/statement.ts'
import type { AuditAction } from '../../events/audit.ts'
import type { EventType } from '../../events/catalogue.ts'
import type { Origin } from '../../lib/actor.ts'
import { DEVICE_GRANT } from '../../registry/clients/client.ts'
import { noticesFrom } from '../../registry/logout-notices.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { registryId } from '../../registry/clients/metadata-url.ts'
import { requestedBy } from '../origin.ts'

export interface Families {
  /** Revokes a family once; event and audit log are written in the same statement. */
  revoke(grantId: string | undefined): Promise<void>
}

const REVOKE = statement(`
  with gone as (
    delete from grants where id = $1 returning id, user_id, client_id, session_uid
  ), told as (
    insert into events (type, actor, subject, user_id, client_id, data)
    select $2, 'system', id, user_id, client_id, '{}' from gone
    union all
    select 'token.revoked', $4, id, user_id, client_id, jsonb_build_object('token_type', 'refresh_token', 'grant_id', id)
    from gone where $9
  ), noticed as (${noticesFrom('(select * from gone where $10) as ended')}
  )
  insert into audit_log
    (action, actor, channel, address, user_agent, trace_id, subject_kind, subject_id, user_id, before)
  select $3, $4, $5, $6, $7, $8, 'grant', id, user_id,
    jsonb_build_object('client_id', client_id, 'session_id', session_uid)
  from gone
  returning user_id, before ->> 'client_id' as client_id`)

const ATTACKS: Partial<Record<EventType, { action: AuditAction; message: string }>> = {
  'refresh_token.reuse_detected': {
    action: 'grant.revoke_after_token_reuse',
    message: 'a rotated refresh token was used again: its family is revoked',
  },
  'device_code.reuse_detected': {
    action: 'grant.revoke_after_code_reuse',
    message: 'a device code was used again: what it issued is revoked',
  },
  'authorization_code.reuse_detected': {
    action: 'grant.revoke_after_code_reuse',
    message: 'an authorization code was used again: what it issued is revoked',
  },
}

export function createFamilies({ pool, log }: { pool: pg.Pool; log: Logger }): Families {
  return {
    async revoke(grantId) {
      // A library bug once passed undefined here, and some adapters revoked everything.
      if (!grantId) return
      const reason = revocationReason(Provider.ctx)
      const attack = ATTACKS[reason]
      const { actor, channel, address, userAgent, traceId } = revoker(Provider.ctx)
      // An access token that is revoked tells of itself (artifacts.ts); a person who signs out revokes no token.
      const { route, entities } = Provider.ctx?.oidc ?? {}
      const isTokenRevoked = route === 'revocation' && entities?.RefreshToken !== undefined
      const origin = [actor, channel, address ?? null, userAgent ?? null, traceId ?? null]
      // Who gives a token back knows; it is still told when the session ends.
      const isNews = route !== 'revocation'
      const values = [grantId, reason, attack?.action ?? 'grant.revoke', ...origin, isTokenRevoked, isNews]
      for (const row of await run<{ user_id: string; client_id: string }>(pool, REVOKE, values)) {
        const facts = { event: reason, grant_id: grantId, ...row }
        if (attack) log.warn(facts, attack.message)
        else log.info(facts, 'a grant was revoked')
      }
    },
  }
}

/** The client at its own endpoint, the person who signs out, and where something was used twice nobody but us. */
function revoker(ctx: KoaContextWithOIDC | undefined): Origin {
  const { route, client, session } = ctx?.oidc ?? {}
  if (route === 'revocation' && client) return requestedBy(ctx, registryId(client.clientId), 'api')
  if (route === 'end_session_confirm' && session?.accountId) return requestedBy(ctx, session.accountId, 'page')
  return requestedBy(ctx, 'system', 'system')
}

/** The library says only "revoke"; where it says so tells why. At the token endpoint the one cause is reuse (RFC 9700 §4.14.2). */
function revocationReason(ctx: KoaContextWithOIDC | undefined): EventType {
  if (ctx?.oidc.route !== 'token') return 'grant.revoked'
  const grantType = ctx.oidc.params?.grant_type
  if (grantType === DEVICE_GRANT) return 'device_code.reuse_detected'
  return grantType === 'authorization_code' ? 'authorization_code.reuse_detected' : 'refresh_token.reuse_detected'
}
