import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import { RegistryError } from '../registry-error.ts'
import { endOwnTokens, revokeGrants } from '../revocation.ts'
import type { ClientDetails } from './client.ts'
import { presentClient } from './present.ts'
import { lockClient, lockedDetails } from './queries.ts'
import { requireVersion, type ChangeOptions } from './update.ts'

/**
 * Takes a client out of use: it can't authenticate, and every token family under it ends in the same transaction, with
 * the tokens that it has for itself.
 * Disabling a disabled client changes nothing.
 * @throws RegistryError `not_found`, `forbidden` for a built-in client, `conflict` when the version moved on
 */
export async function disableClient(db: Knex, id: string, options: ChangeOptions): Promise<ClientDetails> {
  return setDisabled(db, id, true, options)
}

/**
 * Lets a client in again. Nothing that ended comes back: a grant or token that a request in flight still made is revoked here too.
 * @throws RegistryError `not_found`, `conflict` when the version moved on
 */
export async function enableClient(db: Knex, id: string, options: ChangeOptions): Promise<ClientDetails> {
  return setDisabled(db, id, false, options)
}

async function setDisabled(
  db: Knex,
  id: string,
  disabled: boolean,
  { actor, ifVersion, guard }: ChangeOptions,
): Promise<ClientDetails> {
  return db.transaction(async (trx) => {
    const client = await lockClient(trx, id)
    requireVersion(client, ifVersion)
    if (client.builtIn) throw new RegistryError('forbidden', 'a built-in client is always enabled', 'built_in')
    const before = await lockedDetails(trx, id)
    guard?.(before)
    if ((client.disabledAt !== null) === disabled) return before

    const revokedGrants = await revokeGrants(trx, { clientId: id })
    await endOwnTokens(trx, id)
    await trx('clients')
      .where({ id })
      .update({
        disabled_at: disabled ? trx.raw('clock_timestamp()') : null,
        version: client.version + 1,
        updated_at: trx.raw('clock_timestamp()'),
      })
    const type = disabled ? 'client.disabled' : 'client.enabled'
    await appendEvent(trx, { type, subject: id, clientId: id, actor, data: { grants_revoked: revokedGrants } })
    const after = await lockedDetails(trx, id)
    await recordChange(trx, actor, {
      action: disabled ? 'client.disable' : 'client.enable',
      subject: id,
      before: presentClient(before),
      after: presentClient(after),
    })
    return after
  })
}
