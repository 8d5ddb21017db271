import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import { actorId, type Actor } from '../../lib/actor.ts'
import { newId } from '../../lib/ids.ts'
import { newSecret } from '../../lib/secret.ts'
import { RegistryError } from '../registry-error.ts'
import { presentRegistrationToken } from './present.ts'
import { COLUMNS, toRegistrationToken, type RegistrationTokenRow } from './queries.ts'
import {
  checkMostUses,
  normalizeTokenName,
  REGISTRATION_TOKEN_PREFIX,
  type RegistrationToken,
} from './registration-token.ts'

export interface NewRegistrationToken {
  name: string
  /** Default: 1. null: as many as the server has room for. */
  mostUses?: number | null | undefined
  /** From now; default a week. */
  lifetimeSeconds?: number | undefined
  actor: Actor
}

const WEEK = 7 * 86_400
const LONGEST = 366 * 86_400

/**
 * Makes an initial access token. The value is in this answer and nowhere else.
 * @throws RegistryError `invalid`, with the field
 */
export async function createRegistrationToken(
  db: Knex,
  { name, mostUses = 1, lifetimeSeconds = WEEK, actor }: NewRegistrationToken,
): Promise<{ token: RegistrationToken; value: string }> {
  const checked = normalizeTokenName(name)
  checkMostUses(mostUses)
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < 1 || lifetimeSeconds > LONGEST) {
    throw new RegistryError('invalid', `a registration token lives 1 to ${LONGEST} seconds`, 'expires_in')
  }
  const { value, digest, hint } = newSecret(REGISTRATION_TOKEN_PREFIX)
  return db.transaction(async (trx) => {
    const row = {
      id: newId('rgt'),
      name: checked,
      digest,
      hint,
      most_uses: mostUses,
      created_by: actorId(actor),
      expires_at: trx.raw("clock_timestamp() + ? * interval '1 second'", [lifetimeSeconds]),
    }
    const [made] = await trx('registration_tokens')
      .insert(row)
      .returning<RegistrationTokenRow[]>([...COLUMNS])
    const token = toRegistrationToken(made as RegistrationTokenRow)
    const data = { name: token.name, most_uses: token.mostUses, expires_at: token.expiresAt.toISOString() }
    await appendEvent(trx, { type: 'registration_token.created', subject: token.id, actor, data })
    const after = presentRegistrationToken(token)
    await recordChange(trx, actor, { action: 'registration_token.create', subject: token.id, after })
    return { token, value }
  })
}
