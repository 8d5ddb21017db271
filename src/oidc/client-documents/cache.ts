/** What all instances know of the metadata documents of clients, and who of them fetches one now. */
import type pg from 'pg'
import { run, statement } from '../adapter/statement.ts'

/** An instance that died while it fetched holds up the others for no longer than this. */
const LEASE_SECONDS = 10

// A document whose client is gone must be read again: the client's row is what it said.
const READ = statement(`
  select d.etag, d.failure, d.is_unreachable, c.id is not null as is_known,
    d.fresh_until > now() and c.id is not null as is_fresh,
    d.failed_until > now() as is_failed,
    d.fetching_until > now() as is_being_fetched,
    extract(epoch from now() - d.confirmed_at)::float8 as age
  from client_documents d left join clients c on c.metadata_url = d.url
  where d.url = $1`)

const CLAIM = statement(`
  insert into client_documents as d (url, fetching_until) values ($1, now() + make_interval(secs => ${LEASE_SECONDS}))
  on conflict (url) do update set fetching_until = excluded.fetching_until, asked_at = now()
    where d.fetching_until <= now() and d.failed_until <= now()
      and (d.fresh_until <= now() or not exists (select from clients c where c.metadata_url = d.url))
  returning url`)

const CONFIRM = statement(`
  update client_documents set etag = $2, fresh_until = now() + make_interval(secs => $3), confirmed_at = now(),
    failure = null, is_unreachable = false, failed_until = '-infinity', fetching_until = '-infinity'
  where url = $1`)

// What is gone or no longer good is not fresh either, so the next one who asks after the pause asks the host.
const FAIL = statement(`
  update client_documents set failure = $2, is_unreachable = $3, failed_until = now() + make_interval(secs => $4),
    fresh_until = '-infinity', fetching_until = '-infinity'
  where url = $1`)

const RELEASE = statement("update client_documents set fetching_until = '-infinity' where url = $1")

export interface KnownDocument {
  etag: string | null
  /** Why the last attempt failed. */
  failure: string | null
  is_unreachable: boolean
  /** Whether its client is in the registry: the document was good once. */
  is_known: boolean
  is_fresh: boolean
  /** Whether it failed just now, so that it is not asked again yet. */
  is_failed: boolean
  is_being_fetched: boolean
  /** Seconds since its host last answered for it. */
  age: number | null
}

export interface DocumentCache {
  read(url: string): Promise<KnownDocument | undefined>
  /** Whether the caller is the one who fetches it now. */
  claim(url: string): Promise<boolean>
  /** Gives the claim back with nothing learned. */
  release(url: string): Promise<void>
  confirm(url: string, etag: string | null, freshSeconds: number): Promise<void>
  fail(url: string, failure: string, options: { isUnreachable: boolean; pauseSeconds: number }): Promise<void>
}

export function createDocumentCache(pool: pg.Pool): DocumentCache {
  return {
    read: async (url) => (await run<KnownDocument & pg.QueryResultRow>(pool, READ, [url]))[0],
    claim: async (url) => (await run(pool, CLAIM, [url])).length > 0,
    async release(url) {
      await run(pool, RELEASE, [url])
    },
    async confirm(url, etag, freshSeconds) {
      await run(pool, CONFIRM, [url, etag, freshSeconds])
    },
    async fail(url, failure, { isUnreachable, pauseSeconds }) {
      await run(pool, FAIL, [url, failure, isUnreachable, pauseSeconds])
    },
  }
}

/** Nobody asked for so long: what is known of it helps nobody. */
export const expiredDocuments = {
  table: 'client_documents',
  condition: "asked_at < now() - interval '30 days'",
}
