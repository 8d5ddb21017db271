/**
 * Device codes (RFC 8628): two secrets for one request, kept as digests. The device holds the device code and shows it at the
 * token endpoint alone; the browser's side knows the request by the user code that was typed, and from then on by a handle
 * (`<id of the row>.<user code>`), which is all that an interaction ever holds, and which opens nothing at the token endpoint.
 *
 *   pending ──decision──▶ approved ──redeemed──▶ consumed
 *                    └──▶ refused
 *
 * A decision and a redemption are claims, each one conditional statement.
 */
import { createHmac, type KeyObject } from 'node:crypto'
import { errors, Provider, type Adapter, type AdapterPayload } from 'oidc-provider'
import { run, statement } from '../../database/statement.ts'
import { deriveForHmac } from '../../lib/master-key.ts'
import { digestSecret as digest } from '../../lib/secret.ts'
import { LONGEST_ANSWER_SECONDS } from './artifacts.ts'
import type { Families } from './families.ts'
import { refuse, type AdapterDependencies } from './model.ts'

/** Seconds that a device waits between two questions, until it is told to slow down. */
export const POLL_SECONDS = 5

/** Added each time that it does not wait (RFC 8628 §3.5). */
const SLOWER_SECONDS = 5

/** A question may arrive this much sooner after the last than it was sent: networks are not even. */
const TOLERANCE_SECONDS = 1

const INSERT = statement(`
  with client as (select id from clients where id = $3 for key share)
  insert into device_codes (code_digest, user_code_digest, client_id, payload, interval_seconds, expires_at)
  select $1, $2, client.id, $4, ${POLL_SECONDS}, to_timestamp($5) from client
  on conflict (user_code_digest) do nothing
  returning id`)

const consumed = 'case when consumed_at <= now() then extract(epoch from consumed_at)::integer end as consumed'

// Every question counts, also one that was refused for coming too soon; what SET reads is the row as the last one left it.
// Once there is a decision, nobody is told to wait for it.
const POLL = statement(`
  update device_codes set
    polled_at = now(),
    polled_too_fast = ${tooFast()},
    interval_seconds = interval_seconds + case when ${tooFast()} then ${SLOWER_SECONDS} else 0 end
  where code_digest = $1 and client_id = $2
  returning id, payload, ${consumed}, polled_too_fast`)

const FIND = statement(`select id, payload, ${consumed} from device_codes where id = $1`)

const FIND_BY_USER_CODE = statement(`
  select id, payload, ${consumed} from device_codes where user_code_digest = any($1)`)

// The grant is locked before the row, as by whoever revokes it.
const DECIDE = statement(`
  with granted as (select id from grants where id = $4 for key share)
  update device_codes set payload = $2, decision = $3, grant_id = $4
  where id = $1 and decision is null and expires_at > now() and ($4::text is null or exists (select 1 from granted))
  returning id`)

// As of authorization codes: see artifacts.ts. A refusal is told as often as the device asks.
const CONSUME = statement(`
  update device_codes set consumed_at =
    case when decision = 'approved' then now() + make_interval(secs => ${LONGEST_ANSWER_SECONDS}) end
  where code_digest = $1 and consumed_at is null and decision is not null
  returning id`)

const ANSWERED = statement(`
  update device_codes set consumed_at = now() where code_digest = $1 and consumed_at > now()`)

function tooFast(): string {
  return `(decision is null and expires_at > now()
      and coalesce(polled_at + make_interval(secs => interval_seconds - ${TOLERANCE_SECONDS}) > now(), false))`
}

/** Errors that are not the person's decision: the device may go on waiting for that. */
const NO_DECISION = new Set(['invalid_request', 'server_error', 'temporarily_unavailable'])

interface Row {
  id: string
  payload: AdapterPayload
  consumed: number | null
}

export interface DeviceCodes extends Adapter {
  /** The tokens for this code are stored: from now on its use is a replay. */
  answered(code: string): Promise<void>
}

export function createDeviceCodes({ pool, masterKeys }: AdapterDependencies, families: Families): DeviceCodes {
  const [current, ...retired] = deriveForHmac(masterKeys, 'user-codes')
  const keyed = (key: KeyObject, userCode: string) => createHmac('sha256', key).update(userCode).digest()

  /** What the device asks with its code. */
  async function poll(code: string): Promise<AdapterPayload | undefined> {
    const clientId = Provider.ctx?.oidc.client?.clientId
    const [row] = await run<Row & { polled_too_fast: boolean }>(pool, POLL, [digest(code), clientId])
    if (row?.polled_too_fast) throw new errors.SlowDown()
    return row && { ...payloadOf(row), jti: code }
  }

  async function decide(id: string, payload: AdapterPayload): Promise<void> {
    const { accountId, error, grantId = null } = payload
    // Somebody began to sign in. That claims nothing: they may begin again, or leave it to another browser.
    if (accountId === undefined && error === undefined) return
    if (typeof error === 'string' && NO_DECISION.has(error)) return
    const decision = error === undefined ? 'approved' : 'refused'
    const stored = JSON.stringify(withoutSecrets(payload))
    if ((await run(pool, DECIDE, [id, stored, decision, grantId])).length > 0) return
    // The grant was made for this decision alone.
    if (decision === 'approved') await families.revoke(grantId ?? undefined)
    throw new errors.InvalidRequest('the code was used meanwhile, or has expired')
  }

  return {
    ...refuse('DeviceCode'),
    async upsert(id, payload) {
      const handle = isPoll() ? undefined : parseHandle(id)
      if (handle) return decide(handle.id, payload)
      const { userCode, clientId, exp } = payload
      const digests = [digest(id), keyed(current, String(userCode))]
      const stored = await run(pool, INSERT, [...digests, clientId, JSON.stringify(withoutSecrets(payload)), exp])
      if (stored.length === 0) throw new errors.TemporarilyUnavailable('try again')
    },
    async find(id) {
      if (isPoll()) return poll(id)
      const handle = parseHandle(id)
      const [row] = handle ? await run<Row>(pool, FIND, [handle.id]) : []
      return row && handle && { ...payloadOf(row), jti: id, userCode: handle.userCode }
    },
    async findByUserCode(userCode) {
      const digests = [current, ...retired].map((key) => keyed(key, userCode))
      const [row] = await run<Row>(pool, FIND_BY_USER_CODE, [digests])
      return row && { ...payloadOf(row), jti: `${row.id}.${userCode}`, userCode }
    },
    async consume(id) {
      if ((await run(pool, CONSUME, [digest(id)])).length === 0) throw new errors.InvalidGrant('already used')
    },
    async answered(id) {
      await run(pool, ANSWERED, [digest(id)])
    },
    revokeByGrantId: (grantId) => families.revoke(grantId),
  }
}

/** At the token endpoint an id is what a device presents, whatever it looks like. */
function isPoll(): boolean {
  return Provider.ctx?.oidc.route === 'token'
}

/** The user code in the handle that an interaction holds. */
export function userCodeOf(handle: string): string | undefined {
  return parseHandle(handle)?.userCode
}

function parseHandle(text: string): { id: string; userCode: string } | undefined {
  const [, id, userCode] = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([A-Z]+)$/.exec(text) ?? []
  return id && userCode ? { id, userCode } : undefined
}

function payloadOf({ payload, consumed }: Row): AdapterPayload {
  return { ...payload, ...(consumed ? { consumed } : {}) }
}

function withoutSecrets({ jti: _jti, userCode: _userCode, inFlight: _inFlight, ...payload }: AdapterPayload): object {
  return payload
}
