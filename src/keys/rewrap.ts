import type { Database } from '../database/connect.ts'
import { recordChange } from '../events/audit.ts'
import type { Actor } from '../lib/actor.ts'
import { isSealedWithCurrent, type MasterKeys } from '../lib/master-key.ts'
import { locked } from './key-change.ts'
import { assertHeld, readCanary, sealCanary, writeCanary } from './master-key-canary.ts'
import { readEnvelopes, replaceEnvelope } from './queries.ts'
import { openPrivate, sealPrivate } from './signing-key.ts'
import { envelopesOf, holdWebhookSecrets, rewrapWebhookSecrets } from './webhook-secrets.ts'

/**
 * Seals again, with the current master key, whatever was sealed with an older one; after that the older one may be
 * dropped. All or nothing; a second run finds nothing to do. Every instance must have the new master key first, or it can't
 * open what this leaves behind.
 * @throws MasterKeyError when something needs a master key that is not among these; SealError when an envelope was altered
 */
export async function rewrapKeys(
  db: Database,
  masterKeys: MasterKeys,
  actor: Actor = 'cli',
): Promise<{ keys: number; webhooks: number; canary: boolean }> {
  return locked(db.knex, async (trx) => {
    const canary = await readCanary(trx)
    const envelopes = await readEnvelopes(trx)
    const secrets = await holdWebhookSecrets(trx)
    assertHeld(masterKeys, [...(canary ? [canary] : []), ...envelopes.values(), ...secrets.flatMap(envelopesOf)])

    const due = [...envelopes].filter(([, envelope]) => !isSealedWithCurrent(masterKeys, envelope))
    for (const [kid, envelope] of due) {
      await replaceEnvelope(trx, kid, sealPrivate(masterKeys, openPrivate(masterKeys, kid, envelope)))
    }
    const webhooks = await rewrapWebhookSecrets(trx, masterKeys, secrets)
    const isCanaryDue = canary === undefined || !isSealedWithCurrent(masterKeys, canary)
    if (isCanaryDue) await writeCanary(trx, sealCanary(masterKeys))
    const done = { keys: due.length, webhooks, canary: isCanaryDue }
    if (due.length > 0 || webhooks > 0 || isCanaryDue) {
      await recordChange(trx, actor, { action: 'master_key.rewrap', subject: masterKeys[0].id, after: done })
    }
    return done
  })
}
