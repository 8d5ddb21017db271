import { createHash } from 'node:crypto'
import type pg from 'pg'
import { run, statement } from '../../database/statement.ts'

// One statement for looking and writing: the library looks first and writes then, and of two instances both would see
// nothing. A record that is past its time but not yet swept counts as gone.
const CLAIM = statement(`
  insert into replays as known (digest, expires_at) values ($1, now() + make_interval(secs => $2))
  on conflict (digest) do update set expires_at = excluded.expires_at where known.expires_at < now()
  returning 1`)

/**
 * What is added to the time for which the library wants a record kept. It counts that time from now, but accepts a proof
 * that is dated ahead until as much later; and the clocks of instances and database differ.
 */
const MARGIN_SECONDS = 120

export interface Replays {
  /**
   * Takes the id of a proof or assertion, for all instances.
   * @param sender whose ids are told apart from those of others
   * @param seconds for how long it would be accepted
   * @returns false when it was taken before
   */
  claim(sender: string, id: string, seconds: number): Promise<boolean>
}

export function createReplays({ pool }: { pool: pg.Pool }): Replays {
  return {
    async claim(sender, id, seconds) {
      // As JSON, so that no two pairs of sender and id run together into one text.
      const digest = createHash('sha256')
        .update(JSON.stringify([sender, id]))
        .digest()
      const claimed = await run(pool, CLAIM, [digest, Math.max(0, Math.ceil(seconds)) + MARGIN_SECONDS])
      return claimed.length === 1
    },
  }
}
