/**
 * Clients that nobody registered: their client_id is the URL of a document that describes them
 * (draft-ietf-oauth-client-id-metadata-document). This folder fetches such documents, keeps them for as long as HTTP says
 * within bounds, and makes a client of the registry of each that a person allows something. It knows nothing of requests of
 * the protocol.
 *
 *   find(url) ──▶ cache (all instances) ──fresh──▶ what it says
 *                    └─ one of all claims ──▶ budgets ──▶ host ──▶ document ──▶ cache
 *   keep(url) ──▶ registry/clients/from-document
 *
 * Anybody can make this server ask any public host, so every way to that host is counted: by who asks, and by host.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../database/connect.ts'
import { networkOf } from '../../lib/network.ts'
import type { Strangers } from '../../outbound/stranger.ts'
import {
  checkDocumentClient,
  keepDocumentClient,
  updateDocumentClient,
  type DocumentClient,
} from '../../registry/clients/from-document.ts'
import { metadataUrlProblem } from '../../registry/clients/metadata-url.ts'
import { isLoopbackRedirect } from '../../registry/clients/redirect-uri.ts'
import { RegistryError } from '../../registry/registry-error.ts'
import { createDocumentCache, type KnownDocument } from './cache.ts'
import { DocumentError, LARGEST_DOCUMENT, readDocument } from './document.ts'
import { freshSeconds } from './freshness.ts'

export interface DocumentRequest {
  /** Whose request makes us ask: an IP address. */
  address: string
  /**
   * How old an answer may be. `current`: an authorization request begins, and where it ends must be what the document says
   * now. `last-good`: what was granted goes on while the host is down.
   */
  wants: 'current' | 'last-good'
}

export interface ClientDocuments {
  /**
   * What the document says.
   * @throws DocumentError in words that follow "the client metadata document"
   */
  find(url: string, request: DocumentRequest): Promise<DocumentClient>
  /** What it said last, however long ago, without asking anybody; undefined for what was never good. */
  recall(url: string): Promise<DocumentClient | undefined>
  /** Makes it a client of the registry: a person is about to allow it something. */
  keep(url: string): Promise<void>
}

export interface ClientDocumentsOptions {
  db: Database
  /** Asks public hosts alone. */
  strangers: Pick<Strangers, 'request'>
  /** Development: asks this machine, and is used for nothing else. Left out: documents there are refused. */
  loopback?: Pick<Strangers, 'request'> | undefined
  /** Whether one more fetch is within what this caller, and this host, may cause. */
  mayFetch: (cause: { address: string; host: string }) => Promise<boolean>
}

const TIMEOUT_MS = 5_000
/** A document that failed is not asked for again at once; so short that whoever mends it hardly notices. */
const PAUSE_SECONDS = 10
/** A host that is down for longer than this has left its client behind. */
const LONGEST_OUTAGE_SECONDS = 7 * 24 * 60 * 60
const LOOK_AGAIN_MS = 100
const ACTOR = { actor: 'system', channel: 'system' } as const

export function createClientDocuments({ db, strangers, loopback, mayFetch }: ClientDocumentsOptions): ClientDocuments {
  const cache = createDocumentCache(db.pool)
  /** Of one caller on this instance; all others wait for the claim. */
  const running = new Map<string, Promise<DocumentClient>>()

  /** @throws DocumentError */
  async function refresh(url: string, address: string): Promise<DocumentClient> {
    const deadline = performance.now() + 2 * TIMEOUT_MS
    while (performance.now() < deadline) {
      if (await cache.claim(url)) return fetchClaimed(url, address)
      const known = await cache.read(url)
      const said = known && saidBy(url, known)
      if (known?.is_fresh && said) return said
      if (known?.is_failed) throw failureOf(known)
      await delay(LOOK_AGAIN_MS)
    }
    throw new DocumentError('did not come in time', { isUnreachable: true })
  }

  async function fetchClaimed(url: string, address: string): Promise<DocumentClient> {
    if (!(await mayFetch({ address, host: new URL(url).hostname }))) {
      // Says nothing of the document: whoever has asked too often must not hold up the others.
      await cache.release(url)
      throw new DocumentError('was asked for too often', { isUnreachable: true })
    }
    try {
      return await fetchNow(url)
    } catch (error) {
      const failure = asDocumentError(error)
      await cache.fail(url, failure.message, { isUnreachable: failure.isUnreachable, pauseSeconds: PAUSE_SECONDS })
      throw failure
    }
  }

  async function fetchNow(url: string): Promise<DocumentClient> {
    const known = await cache.read(url)
    const before = known && saidBy(url, known)
    const etag = before ? (known?.etag ?? null) : null
    const answer = await (isLoopbackRedirect(url) && loopback ? loopback : strangers)
      .request(url, {
        method: 'GET',
        headers: { accept: 'application/json', ...(etag !== null && { 'if-none-match': etag }) },
        timeoutMs: TIMEOUT_MS,
        mostBytes: LARGEST_DOCUMENT,
      })
      .catch((cause: unknown) => {
        const why = cause instanceof Error ? cause.message : 'it failed'
        throw new DocumentError(`can not be fetched: ${why}`, { isUnreachable: true, cause })
      })
    const unchanged = answer.status === 304 && etag !== null ? before : undefined
    const client = unchanged ?? checkDocumentClient(readDocument(url, answer))
    if (!unchanged) await updateDocumentClient(db.knex, client, ACTOR)
    await cache.confirm(client, unchanged ? etag : tagOf(answer.headers.etag), freshSeconds(answer.headers, Date.now()))
    return client
  }

  async function recall(url: string): Promise<DocumentClient | undefined> {
    const known = await cache.read(url)
    return known && saidBy(url, known)
  }

  return {
    async find(url, { address, wants }) {
      const problem = metadataUrlProblem(url, { allowLoopback: loopback !== undefined })
      if (problem) throw new DocumentError(`can not be fetched: the client_id ${problem}`)
      const known = await cache.read(url)
      const before = known && saidBy(url, known)
      if (known?.is_fresh && before) return before
      try {
        if (known?.is_failed) throw failureOf(known)
        // Not shared between callers: one who has asked too often would take the others along.
        const key = `${networkOf(address)} ${url}`
        const attempt = running.get(key) ?? refresh(url, address).finally(() => running.delete(key))
        running.set(key, attempt)
        return await attempt
      } catch (error) {
        if (wants === 'last-good' && known && before && survives(known, error)) return before
        throw error
      }
    },
    recall,
    async keep(url) {
      const client = await recall(url)
      if (client) await keepDocumentClient(db.knex, client, ACTOR)
    },
  }
}

function saidBy(url: string, { name, redirect_uris: redirectUris }: KnownDocument): DocumentClient | undefined {
  return name === null || redirectUris === null ? undefined : { url, name, redirectUris }
}

function survives({ age }: KnownDocument, error: unknown): boolean {
  return error instanceof DocumentError && error.isUnreachable && age !== null && age < LONGEST_OUTAGE_SECONDS
}

function failureOf({ failure, is_unreachable: isUnreachable }: KnownDocument): DocumentError {
  return new DocumentError(failure ?? 'failed', { isUnreachable })
}

/** Our own faults, a database that is away among them, say nothing about the document. */
function asDocumentError(error: unknown): DocumentError {
  if (error instanceof DocumentError) return error
  if (error instanceof RegistryError && error.code === 'invalid') {
    return new DocumentError(`is refused: ${error.message}`, { cause: error })
  }
  throw error
}

/** A tag that could not be sent back as a header is none. */
function tagOf(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && /^(?:W\/)?"[\x21\x23-\x7e]{0,190}"$/.test(value) ? value : null
}
