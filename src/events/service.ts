import type { Database } from '../database/connect.ts'
import type { Election } from '../database/election.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import { createLifecycle } from '../lib/lifecycle.ts'
import { createStrangers, type Strangers } from '../outbound/stranger.ts'
import type { Logger } from '../telemetry/logger.ts'
import { openEventFeed, type EventFeed } from './feed.ts'
import { startOrdering } from './order.ts'
import { watchRights, type RightsWatch } from './stream/rights-watch.ts'
import { startWebhooks } from './webhooks/dispatcher.ts'
import type { RightsOf } from './webhooks/fan-out.ts'

export interface EventsOptions {
  db: Database
  masterKeys: MasterKeys
  log: Logger
  election: Pick<Election, 'lead'>
  rightsOf: RightsOf
  webhooks: { allowPrivate: boolean; timeoutSeconds: number }
  /** Puts somebody who watches in front of the requests to webhooks. */
  watch?: (strangers: Strangers) => Strangers
}

export interface Events {
  feed: EventFeed
  rights: RightsWatch
  stop(): Promise<void>
}

/** Requests that one process may have open to one host: several webhooks may stand there, each with its own lane. */
const CONNECTIONS_TO_A_HOST = 64

/** Everything that happens with events after they are written: order, feed, followers, webhooks. */
export async function startEvents(options: EventsOptions): Promise<Events> {
  const { db, masterKeys, log, election, rightsOf, webhooks, watch = (strangers) => strangers } = options

  const lifecycle = createLifecycle({ onError: (name, err) => log.error({ err, part: name }, 'did not stop well') })
  const { allowPrivate, timeoutSeconds } = webhooks
  try {
    const ordering = await startOrdering({ db, log, election })
    lifecycle.add('order', () => ordering.stop())
    const feed = await openEventFeed({ db, log })
    lifecycle.add('feed', () => feed.close())
    const rights = watchRights({ feed, log })
    lifecycle.add('rights', () => rights.stop())
    const strangers = watch(createStrangers({ allowPrivate }, { connections: CONNECTIONS_TO_A_HOST }))
    lifecycle.add('outbound', () => strangers.close())
    const timeoutMs = timeoutSeconds * 1000
    const dispatcher = await startWebhooks({ db, feed, masterKeys, strangers, rightsOf, log, timeoutMs })
    lifecycle.add('webhooks', () => dispatcher.stop())
    return { feed, rights, stop: () => lifecycle.close() }
  } catch (error) {
    await lifecycle.close()
    throw error
  }
}
