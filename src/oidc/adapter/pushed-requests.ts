/**
 * Pushed authorization requests (RFC 9126). A request may be looked at more than once, as by a browser that is sent to sign
 * in and comes back, but is answered once (§7.3): the claim is one conditional statement. Its row stays for as long as a
 * person may take over the sign-in that it began, or a second tab would find nothing that was used up.
 */
import { errors, Provider, type Adapter, type AdapterPayload } from 'oidc-provider'
import { run, statement } from '../../database/statement.ts'
import { digestSecret as digest } from '../../lib/secret.ts'
import { policyOf } from '../configuration/client-metadata.ts'
import { refuse, withoutId, type AdapterDependencies } from './model.ts'

const KEEP_SECONDS = 3600

const INSERT = statement(`
  insert into artifacts (id_digest, model, client_id, payload, expires_at)
  select $1, 'PushedAuthorizationRequest', id, $3, to_timestamp($4) + make_interval(secs => ${KEEP_SECONDS})
  from clients where id = $2 for key share
  returning model`)

const FIND = statement(`
  select payload, consumed_at is not null as consumed from artifacts
  where id_digest = $1 and model = 'PushedAuthorizationRequest'`)

const CONSUME = statement(`
  update artifacts set consumed_at = now()
  where id_digest = $1 and model = 'PushedAuthorizationRequest' and consumed_at is null
  returning model`)

export function createPushedRequests({ pool }: AdapterDependencies): Adapter {
  return {
    ...refuse('PushedAuthorizationRequest'),
    async upsert(id, payload) {
      const client = Provider.ctx?.oidc.client
      const clientId = client && policyOf(client).id
      const stored = await run(pool, INSERT, [digest(id), clientId, withoutId(payload), payload.exp])
      if (stored.length === 0) throw new errors.InvalidClient('the client is gone', 'client not found')
    },
    async find(id) {
      const [row] = await run<{ payload: AdapterPayload; consumed: boolean }>(pool, FIND, [digest(id)])
      if (row) return { ...row.payload, jti: id, ...(row.consumed && { consumed: true }) } as AdapterPayload
      // Where a sign-in goes on, the library would take a request that is gone for one that was never pushed.
      if (Provider.ctx?.oidc.route === 'resume') throw usedUp()
      return undefined
    },
    async consume(id) {
      if ((await run(pool, CONSUME, [digest(id)])).length === 0) throw usedUp()
    },
  }
}

function usedUp(): Error {
  return new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used')
}
