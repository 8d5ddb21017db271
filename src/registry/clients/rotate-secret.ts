import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { newId } from '../../lib/ids.ts'
import { RegistryError } from '../registry-error.ts'
import { hasSecret, type ClientDetails } from './client.ts'
import { presentClient } from './present.ts'
import { countVersion, lockClient, lockedDetails } from './queries.ts'
import { newClientSecret } from './secret.ts'
import type { ClientGuard } from './update.ts'

const LONGEST_OVERLAP = 30 * 86_400

export interface SecretRotation {
  clientId: string
  /** How long the secret in use still works, in seconds; 0 ends it at once, as after a leak. */
  overlapSeconds: number
  actor: Actor
  guard?: ClientGuard | undefined
}

/**
 * Gives a client a new secret, told here and never again. At most two live at a time: the new one, and the newest of the
 * others until the overlap ends. Rotations of one client come one after the other, so two at once end the same way.
 * @throws RegistryError `not_found`, or `invalid` for a client that has no secret or an overlap out of bounds
 */
export async function rotateSecret(
  db: Knex,
  { clientId, overlapSeconds, actor, guard }: SecretRotation,
): Promise<{ client: ClientDetails; secret: string; secretId: string }> {
  if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > LONGEST_OVERLAP) {
    throw new RegistryError('invalid', `the overlap must be 0 to ${LONGEST_OVERLAP} seconds`, 'overlap_seconds')
  }
  const { value, digest, hint } = newClientSecret()
  const id = newId('sec')

  const client = await db.transaction(async (trx) => {
    const { kind, tokenEndpointAuthMethod: method } = await lockClient(trx, clientId)
    if (method === 'private_key_jwt') throw new RegistryError('invalid', 'this client proves itself with a key', 'jwks')
    if (!hasSecret(method)) throw new RegistryError('invalid', `a ${kind} client has no secret`, 'kind')
    const before = await lockedDetails(trx, clientId)
    guard?.(before)
    await retire(trx, clientId, overlapSeconds)
    // Not now(): a rotation that waited for another began before it, and would count as the older one.
    const created_at = trx.raw('clock_timestamp()')
    await trx('client_secrets').insert({ id, client_id: clientId, digest, hint, created_at })
    await countVersion(trx, clientId)
    const data = { secret_id: id, overlap_seconds: overlapSeconds }
    await appendEvent(trx, { type: 'client.secret_rotated', subject: clientId, clientId, actor, data })
    const after = await lockedDetails(trx, clientId)
    await recordChange(trx, actor, {
      action: 'client.rotate_secret',
      subject: clientId,
      before: presentClient(before),
      after: presentClient(after),
    })
    return after
  })
  return { client, secret: value, secretId: id }
}

/** Leaves the newest live secret its overlap, if any, and takes the others away. */
async function retire(trx: Knex, clientId: string, overlapSeconds: number): Promise<void> {
  const [kept] = await trx('client_secrets')
    .where({ client_id: clientId })
    .whereRaw('(expires_at is null or expires_at > clock_timestamp())')
    .orderBy('created_at', 'desc')
    .limit(overlapSeconds > 0 ? 1 : 0)
    .select<{ id: string }[]>('id')
  await trx('client_secrets')
    .where({ client_id: clientId })
    .whereNot({ id: kept?.id ?? '' })
    .delete()
  if (!kept) return
  await trx('client_secrets')
    .where({ id: kept.id })
    .update({
      expires_at: trx.raw('clock_timestamp() + make_interval(secs => ?)', [overlapSeconds]),
    })
}
