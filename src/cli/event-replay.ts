import { InvalidArgumentError, type Command } from 'commander'
import { openEventFeed } from '../events/feed.ts'
import { putInOrder } from '../events/order.ts'
import { replay, type ReplayRange } from '../events/webhooks/replay.ts'
import { rightsOf } from '../management/rights.ts'
import { findWebhook } from '../registry/webhooks/queries.ts'
import { record } from './answer.ts'
import { answering, verb, type CommonOptions } from './command.ts'
import { cursor, placeError } from './event-cursor.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface ReplayOptions extends CommonOptions {
  webhook: string
  event?: number
  from?: number
  to?: number
}

/** `event replay`: what a webhook has missed, once more. A running server delivers it. */
export function replayCommand(noun: Command, terminal: Terminal): void {
  verb(noun, 'replay', 'have events delivered again to one webhook')
    .requiredOption('--webhook <id>', 'to which')
    .option('--event <id>', 'this event', eventNumber)
    .option('--from <cursor>', 'or all from this cursor on, as far as the webhook subscribes to them', cursor)
    .option('--to <cursor>', 'to this cursor, which is included; to the newest unless given', cursor)
    .action(
      answering(terminal, async ({ db, log }, options: ReplayOptions) => {
        const webhook = await findWebhook(db.knex, options.webhook)
        if (!webhook) throw new UsageError(`there is no webhook ${JSON.stringify(options.webhook)}`)
        if (webhook.state !== 'active') throw new UsageError(`the webhook is ${webhook.state}: ${webhook.stateReason}`)
        const wanted = rangeOf(options)
        await putInOrder(db.pool)
        const feed = await openEventFeed({ db, log })
        try {
          const dependencies = { db: db.knex, feed, rightsOf: (owner: string) => rightsOf(db, owner) }
          let deliveries = 0
          for (let range: ReplayRange | undefined = wanted; range;) {
            const { made, next }: { made: number; next: number | undefined } = await replay(
              dependencies,
              webhook,
              range,
            )
            deliveries += made
            range = next === undefined || 'eventId' in range ? undefined : { ...range, from: next }
          }
          return record({ webhook: webhook.id, deliveries })
        } catch (error) {
          throw placeError(error)
        } finally {
          await feed.close()
        }
      }),
    )
}

function rangeOf({ event, from, to }: ReplayOptions): ReplayRange {
  if ((event === undefined) === (from === undefined)) throw new UsageError('give --event or --from')
  if (event !== undefined && to !== undefined) throw new UsageError('--to goes with --from')
  return event === undefined ? { from: from ?? 1, to: to ?? Number.MAX_SAFE_INTEGER } : { eventId: event }
}

function eventNumber(value: string): number {
  if (!/^evt_[1-9]\d{0,14}$/.test(value)) throw new InvalidArgumentError('It must be the id of an event, evt_….')
  return Number(value.slice('evt_'.length))
}
