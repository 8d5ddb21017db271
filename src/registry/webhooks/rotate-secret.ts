import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { seal, type MasterKeys } from '../../lib/master-key.ts'
import { RegistryError } from '../registry-error.ts'
import { presentWebhook } from './present.ts'
import { changeWebhook, lockWebhook, requireVersion } from './queries.ts'
import { newWebhookSecret, SECRET_PURPOSE, type Webhook } from './webhook.ts'

/** The default time in which deliveries carry a signature of the old secret as well; and the longest. */
export const OVERLAP_SECONDS = 86_400
export const LONGEST_OVERLAP_SECONDS = 604_800

export interface RotateWebhookSecret {
  webhookId: string
  /** 0: the old secret, which somebody may know, signs nothing from now on. */
  overlapSeconds?: number | undefined
  ifVersion?: number | undefined
  actor: Actor
}

/**
 * Gives a webhook a new secret, which is in this answer and nowhere else. While an overlap runs there is no second one: a
 * receiver that has not yet taken over the first would be left with none that it knows.
 * @throws RegistryError `not_found`, `invalid`, `conflict`
 */
export async function rotateWebhookSecret(
  db: Knex,
  { masterKeys }: { masterKeys: MasterKeys },
  { webhookId, overlapSeconds = OVERLAP_SECONDS, ifVersion, actor }: RotateWebhookSecret,
): Promise<{ webhook: Webhook; secret: string }> {
  if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > LONGEST_OVERLAP_SECONDS) {
    const range = `a whole number of seconds from 0 to ${LONGEST_OVERLAP_SECONDS}`
    throw new RegistryError('invalid', `overlap_seconds must be ${range}`, 'overlap_seconds')
  }
  const secret = newWebhookSecret()
  return db.transaction(async (trx) => {
    const before = await lockWebhook(trx, webhookId)
    requireVersion(before, ifVersion)
    if (overlapSeconds > 0 && (await overlapRuns(trx, webhookId))) {
      const until = before.previousSecretUntil?.toISOString()
      const message = `the secret before is still valid until ${until}; overlap_seconds 0 ends it now`
      throw new RegistryError('conflict', message, 'overlap_seconds')
    }
    const overlap =
      overlapSeconds > 0
        ? {
            previous_secret_sealed: trx.raw('secret_sealed'),
            previous_secret_until: trx.raw('now() + make_interval(secs => ?)', [overlapSeconds]) as unknown as Date,
          }
        : { previous_secret_sealed: null, previous_secret_until: null }
    const webhook = await changeWebhook(trx, webhookId, {
      secret_sealed: seal(masterKeys, SECRET_PURPOSE, secret),
      ...overlap,
    })
    const data = { previous_secret_until: webhook.previousSecretUntil?.toISOString() ?? null }
    await appendEvent(trx, { type: 'webhook.secret_rotated', subject: webhookId, actor, data })
    await recordChange(trx, actor, {
      action: 'webhook.rotate_secret',
      subject: webhookId,
      before: presentWebhook(before),
      after: presentWebhook(webhook),
    })
    return { webhook, secret }
  })
}

async function overlapRuns(trx: Knex, id: string): Promise<boolean> {
  return Boolean(await trx('webhooks').where({ id }).whereRaw('previous_secret_until > now()').first('id'))
}
