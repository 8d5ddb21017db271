import type { Knex } from 'knex'
import type { Database } from '../database/connect.ts'
import { open, seal, type MasterKeys } from '../lib/master-key.ts'
import { readEnvelopes } from './queries.ts'

/** The database was sealed with a master key that is not among the given ones. The message is one line for the operator. */
export class MasterKeyError extends Error {
  override name = 'MasterKeyError'
}

const NAME = 'master-key-canary'
const TEXT = 'grantry'

/**
 * Proves at start that MASTER_KEY is the one this database was sealed with, rather than when the first key is opened. The
 * first start of a database writes the canary; of several first starts one wins, and the others are held against it.
 * @throws MasterKeyError with one line: which key is wanted and how to give it
 */
export async function checkMasterKey(db: Database, masterKeys: MasterKeys): Promise<void> {
  await db
    .knex('installation')
    .insert({ name: NAME, value: sealCanary(masterKeys) })
    .onConflict('name')
    .ignore()
  const canary = await readCanary(db.knex)
  const envelopes = [...(canary ? [canary] : []), ...(await readEnvelopes(db.knex)).values()]
  assertHeld(masterKeys, envelopes)
  if (canary && open(masterKeys, NAME, canary).toString() !== TEXT) throw new MasterKeyError('the canary was altered')
}

/** @throws MasterKeyError when an envelope needs a master key that is not among these */
export function assertHeld(masterKeys: MasterKeys, envelopes: Iterable<string>): void {
  const held = new Set(masterKeys.map(({ id }) => id))
  const wanted = new Set([...envelopes].map(keyIdOf).filter((id) => !held.has(id)))
  if (wanted.size === 0) return
  throw new MasterKeyError(
    `this database is sealed with master key ${[...wanted].join(', ')}, but MASTER_KEY holds ${[...held].join(', ')}: ` +
      'give the missing one as MASTER_KEY (several are separated by commas, the current one first, then the old ones)',
  )
}

export function sealCanary(masterKeys: MasterKeys): string {
  return seal(masterKeys, NAME, TEXT)
}

export async function readCanary(db: Knex): Promise<string | undefined> {
  const row = await db('installation').where({ name: NAME }).first<{ value: string } | undefined>('value')
  return row?.value
}

export async function writeCanary(trx: Knex, canary: string): Promise<void> {
  await trx('installation').insert({ name: NAME, value: canary }).onConflict('name').merge()
}

/** The key id that an envelope names: `v1.<key id>.<iv>.<ciphertext>`. */
function keyIdOf(envelope: string): string {
  return envelope.split('.')[1] ?? 'unknown'
}
