/** The secrets of webhooks, as far as their sealing goes: whoever rotates the master key must find everything that it seals. */
import type { Knex } from 'knex'
import { isSealedWithCurrent, open, seal, type MasterKeys } from '../lib/master-key.ts'

/** What `registry/webhooks` seals them for. */
const PURPOSE = 'webhook-secret'

export interface SealedSecrets {
  id: string
  secret_sealed: string
  previous_secret_sealed: string | null
}

/** All of them, held: a rotation of a secret waits, and finds what is written here. */
export async function holdWebhookSecrets(trx: Knex): Promise<SealedSecrets[]> {
  return trx('webhooks')
    .orderBy('id')
    .forNoKeyUpdate()
    .select<SealedSecrets[]>('id', 'secret_sealed', 'previous_secret_sealed')
}

export function envelopesOf({ secret_sealed: current, previous_secret_sealed: previous }: SealedSecrets): string[] {
  return [current, ...(previous === null ? [] : [previous])]
}

/**
 * Seals them again with the current master key. The webhook did not change: its version stays.
 * @returns of how many webhooks
 * @throws SealError when an envelope was altered
 */
export async function rewrapWebhookSecrets(
  trx: Knex,
  masterKeys: MasterKeys,
  secrets: readonly SealedSecrets[],
): Promise<number> {
  const again = (envelope: string) => seal(masterKeys, PURPOSE, open(masterKeys, PURPOSE, envelope))
  const due = secrets.filter((each) => envelopesOf(each).some((envelope) => !isSealedWithCurrent(masterKeys, envelope)))
  for (const { id, secret_sealed: current, previous_secret_sealed: previous } of due) {
    await trx('webhooks')
      .where({ id })
      .update({ secret_sealed: again(current), previous_secret_sealed: previous === null ? null : again(previous) })
  }
  return due.length
}
