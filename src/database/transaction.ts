import { setTimeout as delay } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Database } from './connect.ts'
import { passingFault } from './passing-fault.ts'

const ATTEMPTS = 4

/**
 * Runs the work in a transaction, again (up to four times) when it lost against a concurrent one. So the work must do nothing
 * that the database can't undo. Any other error undoes the transaction and is thrown on.
 */
export async function inTransaction<T>(
  db: Pick<Database, 'knex'>,
  work: (trx: Knex.Transaction) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.knex.transaction(work)
    } catch (error) {
      if (attempt === ATTEMPTS || passingFault(error) !== 'contention') throw error
      // Not all losers at once.
      await delay(Math.random() * 10 * 2 ** attempt)
    }
  }
}
