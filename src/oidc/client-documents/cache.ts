/** What all instances know of the metadata documents of clients, and who of them fetches one now. */
import type pg from 'pg'
import { run, statement } from '../../database/statement.ts'
import type { DocumentClient } from '../../registry/clients/from-document.ts'

/** An instance that died while it fetched holds up the others for no longer than this. */
const LEASE_SECONDS = 10

const READ = statement(`
  select name, redirect_uris, etag, failure, is_unreachable,
    fresh_until > now() as is_fresh,
    failed_until > now() as is_failed,
    extract(epoch from now() - confirmed_at)::float8 as age
  from client_documents where url = $1`)

const CLAIM = statement(`
  insert into client_documents as d (url, fetching_until) values ($1, now() + make_interval(secs => ${LEASE_SECONDS}))
  on conflict (url) do update set fetching_until = excluded.fetching_until, asked_at = now()
    where d.fetching_until <= now() and d.failed_until <= now() and d.fresh_until <= now()
  returning url`)

const CONFIRM = statement(`
  update client_documents set name = $4, redirect_uris = $5, etag = $2, confirmed_at = now(),
    fresh_until = now() + make_interval(secs => $3),
    failure = null, is_unreachable = false, failed_until = '-infinity', fetching_until = '-infinity'
  where url = $1`)

// What is gone or no longer good is not fresh either, so the next one who asks after the pause asks the host.
const FAIL = statement(`
  update client_documents set failure = $2, is_unreachable = $3, failed_until = now() + make_interval(secs => $4),
    fresh_until = '-infinity', fetching_until = '-infinity'
  where url = $1`)

const RELEASE = statement("update client_documents set fetching_until = '-infinity' where url = $1")

export interface KnownDocument {
  /** What it said when it was last good; null: it never was. */
  name: string | null
  redirect_uris: string[] | null
  etag: string | null
  /** Why the last attempt failed. */
  failure: string | null
  is_unreachable: boolean
  is_fresh: boolean
  /** Whether it failed just now, so that it is not asked again yet. */
  is_failed: boolean
  /** Seconds since its host last answered for it. */
  age: number | null
}

export interface DocumentCache {
  read(url: string): Promise<KnownDocument | undefined>
  /** Whether the caller is the one who fetches it now. */
  claim(url: string): Promise<boolean>
  /** Gives the claim back with nothing learned. */
  release(url: string): Promise<void>
  confirm(document: DocumentClient, etag: string | null, freshSeconds: number): Promise<void>
  fail(url: string, failure: string, options: { isUnreachable: boolean; pauseSeconds: number }): Promise<void>
}

export function createDocumentCache(pool: pg.Pool): DocumentCache {
  return {
    read: async (url) => (await run<KnownDocument & pg.QueryResultRow>(pool, READ, [url]))[0],
    claim: async (url) => (await run(pool, CLAIM, [url])).length > 0,
    async release(url) {
      await run(pool, RELEASE, [url])
    },
    async confirm({ url, name, redirectUris }, etag, freshSeconds) {
      await run(pool, CONFIRM, [url, etag, freshSeconds, name, redirectUris])
    },
    async fail(url, failure, { isUnreachable, pauseSeconds }) {
      await run(pool, FAIL, [url, failure, isUnreachable, pauseSeconds])
    },
  }
}

/** What was never good is remembered for its pause alone; what was, for longer than its host may be down. */
export const expiredDocuments = [
  { table: 'client_documents', column: 'asked_at', keep: '1 hour', where: 'confirmed_at is null' },
  { table: 'client_documents', column: 'asked_at', keep: '30 days' },
]
