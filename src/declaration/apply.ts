import type { Knex } from 'knex'
import type { Database } from '../database/connect.ts'
import { inTransaction } from '../database/transaction.ts'
import type { Origin } from '../lib/actor.ts'
import { desiredOf } from './check.ts'
import { DeclarationError, type Mistake } from './declaration.ts'
import { differenceOf, type Change, type MadeSecret } from './difference.ts'
import type { Source } from './read.ts'
import { readState } from './state.ts'

export interface ApplyOptions {
  actor: Origin
  /** Deletes what the file's lists leave out. */
  prune: boolean
  /** Does everything and takes it back, so that whatever would stand in the way is met. */
  dryRun: boolean
  /** Whether clients may be told of logouts at an address inside (development). */
  allowPrivate: boolean
}

export interface Applied {
  changes: Change[]
  unchanged: number
  /** Of new clients; told here and never again. None of a dry run. */
  secrets: MadeSecret[]
}

const LOCK = 'grantry:declaration'

/** Carries the outcome of a dry run out of the transaction that it undoes. */
class TakenBack extends Error {
  readonly applied: Applied

  constructor(applied: Applied) {
    super('taken back')
    this.applied = applied
  }
}

/**
 * Makes what the file declares, in one transaction: all of it or nothing. Those who apply at once come one after the other,
 * and the second finds what the first has made.
 * @throws DeclarationError with every mistake, RegistryError when something was changed by others meanwhile
 */
export async function applyDeclaration(
  db: Pick<Database, 'knex'>,
  source: Source,
  options: ApplyOptions,
): Promise<Applied> {
  try {
    return await inTransaction(db, async (trx) => {
      await trx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [LOCK])
      const applied = await apply(trx, source, options)
      if (options.dryRun) throw new TakenBack({ ...applied, secrets: [] })
      return applied
    })
  } catch (error) {
    if (error instanceof TakenBack) return error.applied
    throw error
  }
}

async function apply(
  trx: Knex,
  { declaration, mistakeAt }: Source,
  { actor, prune, dryRun, allowPrivate }: ApplyOptions,
) {
  const state = await readState(trx)
  const mistakes: Mistake[] = []
  const desired = desiredOf(declaration, state, { prune, allowPrivate }, (path, message) =>
    mistakes.push(mistakeAt(path, message)),
  )
  if (mistakes.length > 0) throw new DeclarationError(mistakes)

  const { steps, unchanged } = differenceOf(desired, state, { prune })
  const applied: Applied = { changes: [], unchanged, secrets: [] }
  for (const { change, run } of steps) {
    const { id, secret } = await run(trx, actor)
    // The id that a dry run made is nobody's.
    applied.changes.push({ ...change, id: dryRun ? change.id : id })
    if (secret) applied.secrets.push(secret)
  }
  return applied
}
