import type { Knex } from 'knex'
import { isId } from '../../lib/ids.ts'
import { digestSecret, looksLikeSecret } from '../../lib/secret.ts'
import { RegistryError } from '../registry-error.ts'
import { REGISTRATION_TOKEN_PREFIX, type RegistrationToken } from './registration-token.ts'

export interface RegistrationTokenRow {
  id: string
  name: string
  hint: string
  most_uses: number | null
  uses: number
  created_by: string
  created_at: Date
  expires_at: Date
  revoked_at: Date | null
}

export const COLUMNS = [
  'id',
  'name',
  'hint',
  'most_uses',
  'uses',
  'created_by',
  'created_at',
  'expires_at',
  'revoked_at',
] as const

/**
 * Takes one use of a token, if there is one left. In the transaction of what it is used for: a registration that fails
 * gives it back, and of two at once that want the last one, one gets it.
 * @returns the id of the token; undefined when it is none, used up, expired or revoked
 */
export async function claimRegistrationToken(trx: Knex, presented: string): Promise<string | undefined> {
  if (!presented.startsWith(`${REGISTRATION_TOKEN_PREFIX}_`) || !looksLikeSecret(presented)) return undefined
  const [claimed] = await trx('registration_tokens')
    .where({ digest: digestSecret(presented), revoked_at: null })
    .whereRaw('expires_at > clock_timestamp() and (most_uses is null or uses < most_uses)')
    .update({ uses: trx.raw('uses + 1') })
    .returning<{ id: string }[]>('id')
  return claimed?.id
}

/** All of them, oldest first. They are made by hand, so there are few. */
export async function listRegistrationTokens(db: Knex): Promise<RegistrationToken[]> {
  const rows = await db('registration_tokens')
    .orderBy([{ column: 'created_at' }, { column: 'id' }])
    .select<RegistrationTokenRow[]>(...COLUMNS)
  return rows.map(toRegistrationToken)
}

/**
 * Holds the token's row until the transaction ends.
 * @throws RegistryError `not_found`
 */
export async function lockRegistrationToken(trx: Knex, id: string): Promise<RegistrationToken> {
  const row = isId('rgt', id)
    ? await trx('registration_tokens')
        .where({ id })
        .forUpdate()
        .first<RegistrationTokenRow | undefined>(...COLUMNS)
    : undefined
  if (!row) throw new RegistryError('not_found', 'there is no such registration token')
  return toRegistrationToken(row)
}

export function toRegistrationToken(row: RegistrationTokenRow): RegistrationToken {
  return {
    id: row.id,
    name: row.name,
    hint: row.hint,
    mostUses: row.most_uses,
    uses: row.uses,
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  }
}
