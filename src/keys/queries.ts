import type { JWK } from 'jose'
import type { Knex } from 'knex'
import type { MasterKeys } from '../lib/master-key.ts'
import {
  openPrivate,
  publicHalf,
  type KeyState,
  type NewKey,
  type PublishedKey,
  type SigningAlg,
  type SigningKey,
} from './signing-key.ts'

interface KeyRow {
  kid: string
  alg: SigningAlg
  state: KeyState
  public_jwk: JWK
  private_sealed: string
  published_at: Date
  activated_at: Date | null
  retired_at: Date | null
}

const PUBLIC_COLUMNS = ['kid', 'alg', 'state', 'public_jwk', 'published_at', 'activated_at', 'retired_at'] as const

/** All keys, public halves only, newest first within an algorithm. */
export async function listKeys(db: Knex): Promise<PublishedKey[]> {
  const rows = await inOrder(db).select<Omit<KeyRow, 'private_sealed'>[]>(...PUBLIC_COLUMNS)
  return rows.map(published)
}

/**
 * All keys with their private halves. The public halves are taken from the sealed ones: the plain column is for reading
 * only, and what it says is never published.
 * @throws SealError when one can't be opened with these master keys
 */
export async function readKeys(db: Knex, masterKeys: MasterKeys): Promise<SigningKey[]> {
  const rows = await inOrder(db).select<KeyRow[]>('*')
  return rows.map((row) => {
    const privateJwk = openPrivate(masterKeys, row.kid, row.private_sealed)
    return { ...published(row), publicJwk: publicHalf(privateJwk), privateJwk }
  })
}

/** The one clock: instances differ, and `now()` stands still from the start of a transaction, however long it waited for a lock. */
export async function databaseTime(db: Knex): Promise<Date> {
  const { rows } = await db.raw<{ rows: { now: Date }[] }>('select clock_timestamp() as now')
  return rows[0]!.now
}

export async function insertKey(trx: Knex, key: NewKey, state: 'current' | 'next', at: Date): Promise<void> {
  await trx('signing_keys').insert({
    kid: key.kid,
    alg: key.alg,
    state,
    public_jwk: JSON.stringify(key.publicJwk),
    private_sealed: key.privateSealed,
    published_at: at,
    activated_at: state === 'current' ? at : null,
  })
}

export async function activateKey(trx: Knex, kid: string, at: Date): Promise<void> {
  await trx('signing_keys').where({ kid, state: 'next' }).update({ state: 'current', activated_at: at })
}

export async function retireKey(trx: Knex, kid: string, at: Date): Promise<void> {
  await trx('signing_keys').where({ kid, state: 'current' }).update({ state: 'previous', retired_at: at })
}

export async function deleteKey(trx: Knex, kid: string): Promise<void> {
  await trx('signing_keys').where({ kid }).delete()
}

/** kid → envelope, for those who deal with the sealing and not with the keys. */
export async function readEnvelopes(db: Knex): Promise<Map<string, string>> {
  const rows = await db('signing_keys').select<KeyRow[]>('kid', 'private_sealed')
  return new Map(rows.map((row) => [row.kid, row.private_sealed]))
}

export async function replaceEnvelope(trx: Knex, kid: string, envelope: string): Promise<void> {
  await trx('signing_keys').where({ kid }).update({ private_sealed: envelope })
}

function inOrder(db: Knex): Knex.QueryBuilder {
  return db('signing_keys').orderBy([{ column: 'alg' }, { column: 'published_at', order: 'desc' }, { column: 'kid' }])
}

function published(row: Omit<KeyRow, 'private_sealed'>): PublishedKey {
  return {
    kid: row.kid,
    alg: row.alg,
    state: row.state,
    publicJwk: row.public_jwk,
    publishedAt: row.published_at,
    activatedAt: row.activated_at ?? undefined,
    retiredAt: row.retired_at ?? undefined,
  }
}
