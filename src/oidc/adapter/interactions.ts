/**
 * Interactions: an authorization request that waits for a person. The row holds the raw session cookie and, later, device
 * codes, so its payload is sealed.
 *
 *   waiting ──decision──▶ decided ──resume──▶ claimed
 *
 * Resuming is a claim: three parallel resumes of one consent must not give three codes. A decision that arrives after the
 * claim finds nothing to write to, so it can't bring the interaction back.
 */
import { errors, Provider, type Adapter, type AdapterPayload } from 'oidc-provider'
import { run, statement } from '../../database/statement.ts'
import { digestSecret as digest } from '../../lib/secret.ts'
import { open, seal, SealError } from '../../lib/master-key.ts'
import { refuse, type AdapterDependencies } from './model.ts'

const INSERT = statement(`
  insert into artifacts (id_digest, model, payload, expires_at) values ($1, 'Interaction', $2, to_timestamp($3))`)

const DECIDE = statement(`
  update artifacts set payload = $2
  where id_digest = $1 and model = 'Interaction' and consumed_at is null and expires_at > now()
  returning model`)

const FIND = statement(`
  select payload from artifacts where id_digest = $1 and model = 'Interaction' and consumed_at is null and expires_at > now()`)

const CLAIM = statement(`
  update artifacts set consumed_at = now(), payload = 'null'
  where id_digest = $1 and model = 'Interaction' and consumed_at is null
  returning model`)

const PURPOSE = 'interaction'

export function createInteractions({ pool, masterKeys }: AdapterDependencies): Adapter {
  return {
    ...refuse('Interaction'),
    async upsert(id, payload) {
      const sealed = JSON.stringify(seal(masterKeys, PURPOSE, JSON.stringify(payload)))
      if (payload.result === undefined) {
        await run(pool, INSERT, [digest(id), sealed, payload.exp])
      } else if ((await run(pool, DECIDE, [digest(id), sealed])).length === 0) {
        throw new errors.SessionNotFound('the interaction has ended')
      }
    },
    async find(id) {
      const [row] = await run<{ payload: string }>(pool, FIND, [digest(id)])
      if (!row) return undefined
      try {
        const payload = JSON.parse(open(masterKeys, PURPOSE, row.payload).toString()) as AdapterPayload
        return isAtItsDoor(payload) ? payload : undefined
      } catch (error) {
        // Sealed with a master key that was dropped since: the person begins again.
        if (error instanceof SealError) return undefined
        throw error
      }
    },
    async destroy(id) {
      if ((await run(pool, CLAIM, [digest(id)])).length === 0) {
        throw new errors.SessionNotFound('the interaction was resumed already')
      }
    },
  }
}

/** A device's request has no checked redirect URI, and must not be resumed where answers are sent to one; nor the other way. */
function isAtItsDoor({ deviceCode }: AdapterPayload): boolean {
  const route = Provider.ctx?.oidc.route
  if (route === 'resume') return deviceCode === undefined
  return route !== 'device_resume' || deviceCode !== undefined
}
