/** The protocol library on our storage, and what it sends out by itself. */
import { startLogoutSender } from '../events/logout/sender.ts'
import type { TokenCounts } from '../events/token-counts.ts'
import { createRateLimiter } from '../http/rate-limit/rate-limiter.ts'
import { createProtocolPages } from '../interactions/protocol-pages.ts'
import { networkOf } from '../lib/network.ts'
import { createClientDocuments, type ClientDocumentsOptions } from '../oidc/client-documents/client-documents.ts'
import { createStorage } from '../oidc/adapter/adapter.ts'
import { currentProvider } from '../oidc/current-provider.ts'
import { createLogoutTokens } from '../oidc/logout-tokens.ts'
import { createStrangers } from '../outbound/stranger.ts'
import { createUserCodeThrottle } from '../registry/users/throttle.ts'
import type { Parts } from './parts.ts'
import { logoutNotices, watchStrangers } from './watched.ts'

export interface IssuingParts extends Pick<
  Parts,
  'config' | 'masterKeys' | 'log' | 'db' | 'keys' | 'renderer' | 'telemetry'
> {
  tokenCounts: TokenCounts
  /** Who asks hosts that clients have chosen. */
  strangers: Pick<ClientDocumentsOptions, 'strangers' | 'loopback'>
}

export type Issuing = ReturnType<typeof createIssuing>

/** The protocol library on our storage. */
export function createIssuing(parts: IssuingParts) {
  const { config, masterKeys, log, db, keys, tokenCounts, strangers, renderer, telemetry } = parts
  const { issuer } = config
  const { refreshReuseSeconds } = config.tokens
  const documents = config.clientDocuments.enabled ? createDocuments({ db, log, strangers }) : undefined
  const looks = telemetry.metrics.cache('clients')
  const onClientLook = (hit: boolean) => (hit ? looks.hit() : looks.miss())
  const storage = createStorage({
    pool: db.pool,
    masterKeys,
    issuer,
    log,
    refreshReuseSeconds,
    documents,
    onClientLook,
  })
  const pages = createProtocolPages(renderer)
  const provider = currentProvider(
    { config, db, masterKeys, storage, pages, log, guesses: createUserCodeThrottle(), onTokens: tokenCounts.take },
    keys,
  )
  return { provider, documents }
}

/** Tells apps of sessions that have ended, at addresses where webhooks may lead too. */
export async function startLogouts(parts: Pick<Parts, 'config' | 'log' | 'db' | 'issuing' | 'telemetry'>) {
  const { config, log, db, issuing, telemetry } = parts
  const { allowPrivate, timeoutSeconds } = config.webhooks
  const strangers = watchStrangers(createStrangers({ allowPrivate }), telemetry, logoutNotices)
  const mint = createLogoutTokens(() => issuing.provider.get())
  const sender = await startLogoutSender({ db, log, strangers, mint, timeoutMs: timeoutSeconds * 1000 })
  return {
    async stop() {
      await sender.stop()
      await strangers.close()
    },
  }
}

/** Fetches of clients' documents are counted in the database, for all instances: by who causes them, and by whom they burden. */
const DOCUMENT_LIMITS = {
  caller: { algorithm: 'sliding-window', quota: 20, windowSeconds: 60 },
  host: { algorithm: 'sliding-window', quota: 60, windowSeconds: 60 },
} as const

function createDocuments({ db, log, strangers }: Pick<IssuingParts, 'db' | 'log' | 'strangers'>) {
  const limiter = createRateLimiter({ pool: db.pool, policies: DOCUMENT_LIMITS, log })
  return createClientDocuments({
    db,
    ...strangers,
    mayFetch: async ({ address, host }) =>
      (await limiter.take('caller', networkOf(address))).allowed && (await limiter.take('host', host)).allowed,
  })
}
