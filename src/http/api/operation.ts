/**
 * `http/api` is the kit of our REST APIs: the management API and the demo orders API are lists of operations, each one
 * declaration that routes, authorizes, validates, documents (OpenAPI) and, under test, checks its own answers. The kit knows
 * HTTP and its conventions; it knows no user, client, token or key. This file is what a declaration is.
 *
 * ```ts
 * export const readUser = operation({
 *   id: 'readUser', method: 'GET', path: '/users/{user_id}', tag: 'Users', summary: 'Read a user',
 *   access: { scope: 'users:read' },
 *   params: z.object({ user_id: z.string() }),
 *   responses: { 200: { description: 'The user', schema: userSchema } },
 *   async handle({ db, params }) {
 *     const user = await findUser(db, params.user_id)
 *     if (!user) throw problem('not-found')
 *     return { body: presentUser(user), version: user.version }
 *   },
 * })
 * ```
 */
import type { Knex } from 'knex'
import type { Context } from 'koa'
import type { z } from 'zod'
import type { Origin } from '../../lib/actor.ts'
import type { Position, Sorting } from '../../lib/keyset.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Who may call: anybody, anybody with credentials, or whoever's credentials carry the scope. */
export type Access = 'public' | 'authenticated' | { scope: string }

/** Whoever calls, as the API's `authenticate` found them. */
export interface Principal {
  /** A user id, client id or API key id: whom rate limits, idempotency keys and the audit log know. */
  id: string
  kind: 'user' | 'client' | 'api-key'
  scopes: ReadonlySet<string>
}

/** What a handler gets. Everything in it has been checked. */
export interface Call<P = unknown, Q = unknown, B = unknown> {
  /**
   * The database. Under an idempotency key a transaction that also stores the answer, so that effect and answer are one:
   * no long work (argon2, fetch) in `handle`, that goes to `prepare`.
   */
  db: Knex
  params: P
  query: Q
  /** The checked body; undefined for operations without one. */
  body: B
  /** Undefined for public operations without credentials. */
  principal: Principal | undefined
  /** Who calls and whence, for audit log and events. */
  actor: Origin
  /** The version of the API that was asked for. */
  version: number
  /** Of lists: the page that was asked for. */
  page: PageRequest
  /**
   * Of operations with a precondition: the version that `If-Match` stands for. Hand it to the verb, which checks it under
   * its lock. Undefined for `If-Match: *`.
   */
  ifVersion: number | undefined
  /** Whether the caller has the scope: links to what a caller may not do are left out. */
  may: (scope: string) => boolean
  /** The media type that the caller gets. */
  mediaType: string | undefined
  /** The absolute URL of a path of this API and version: `link('/users/usr_…')`. */
  link: (path: string) => string
  /** What `prepare` returned. */
  prepared: unknown
  /** Aborted when the caller goes away. */
  signal: AbortSignal
  /** For answers that stream. Everything else has a place in this object. */
  ctx: Context
}

/** Which part of a list. Either `after` (cursor) or `offset` is set, or neither for the first page. */
export interface PageRequest {
  /** 1 to the most that the list allows. */
  limit: number
  sorting: Sorting
  after?: Position | undefined
  offset?: number | undefined
  /** Offset pages always want it, cursor pages with `include=total_count`. */
  wantsTotal: boolean
}

/** What a list's handler found. */
export interface Found {
  items: readonly object[]
  /** Where the page ended, when there is more (fetch limit + 1 to know). */
  next?: Position | undefined
  /** How many there are in all; when `wantsTotal`. */
  total?: number | undefined
}

/** What a handler returns. */
export interface Answer {
  /** Left out: the operation's only success status. */
  status?: number
  /** One thing, as it may leave the server, with its `links`. */
  body?: object
  /** A part of a list; instead of `body`. */
  list?: Found
  /** Counts the changes of the thing: its strong ETag is made of it and of the bytes. Left out: a weak one is made of the bytes alone. */
  version?: number
  /** Of what was made: path of this API (`/users/usr_…`). */
  location?: string
  headers?: Readonly<Record<string, string>>
  /**
   * Names of fields of `body` that hold a secret which is shown once. Under an idempotency key the answer is kept without
   * them, and the replay says so.
   */
  secrets?: readonly string[]
  /** Set by operations that answer on `ctx` themselves (streams): the kit adds nothing. */
  handled?: true
}

export interface ListRules {
  /** Names that may stand in `sort`, each also with `-` before it. All must be columns of a total order together with the id. */
  sort: readonly string[]
  /** `-created_at` */
  defaultSort: string
  /** Which kinds of paging the list offers, the first by default. */
  paging: readonly ('cursor' | 'offset')[]
  /** The columns of `text/csv`, by name in the item; left out: no CSV. */
  csv?: readonly string[]
  /** Default 20. */
  defaultLimit?: number
  /** Default 100. A larger `limit` is brought down to it, and the answer says so. */
  mostLimit?: number
}

export interface BodyRules<B> {
  schema: z.ZodType<B>
  /** `application/json` for POST and PUT, `application/merge-patch+json` and `application/json` for PATCH unless given. */
  mediaTypes?: readonly string[]
  /** By name; each is sent by a test and must succeed in the order of the document. */
  examples?: Readonly<Record<string, unknown>>
  /** Most bytes; default 64 KiB. */
  mostBytes?: number
  /** Whether the body may be left out. */
  optional?: true
}

export interface ResponseRules {
  description: string
  /** Of a list: of one item. */
  schema?: z.ZodType
  /** Of responses without JSON: their media type. */
  mediaType?: string
  /** A media type beside JSON for which the handler answers on `ctx` itself: `text/event-stream`. */
  stream?: string
  example?: unknown
}

export interface OperationRules<P = unknown, Q = unknown, B = unknown> {
  /** `listUsers`: unique in the API; the name of the typed client's method and OpenAPI's operationId. */
  id: string
  method: Method
  /** Relative to the version: `/users/{user_id}/sessions`. */
  path: string
  tag: string
  /** A few words, and then as much as a developer needs. */
  summary: string
  description?: string
  access: Access
  /** Values of the path. Ids are not judged here: one that nobody has is 404. */
  params?: z.ZodType<P>
  /** A strict object: whatever is not in it is refused by name. For lists: the filters (`role`, `created_at[gte]`). */
  query?: z.ZodType<Q>
  list?: ListRules
  body?: BodyRules<B>
  /** Takes `Idempotency-Key`: for every POST that makes something. */
  idempotent?: true
  /**
   * Needs `If-Match`: 428 without. Reads the version of what is about to be changed.
   * @returns undefined when there is no such thing (404)
   */
  precondition?: (call: Call<P, Q, undefined>) => Promise<number | undefined>
  /** Work that must not happen inside a transaction; its result is `call.prepared`. */
  prepare?: (call: Call<P, Q, B>) => Promise<unknown>
  /** Success statuses and what they look like. */
  responses: Readonly<Record<number, ResponseRules>>
  /** Codes of problems that are this operation's own, beside those that its declaration implies. */
  problems?: readonly string[]
  /** Takes `Prefer`, streams and the like: what else the document says of the request's headers. */
  headers?: Readonly<Record<string, { description: string; schema?: object }>>
  handle(call: Call<P, Q, B>): Promise<Answer>
}

/** A declaration whose types have done their work. */
export type Operation = OperationRules<any, any, any>

/** Declares an operation; the schemas give `handle` its types. */
export function operation<P = Record<string, never>, Q = Record<string, never>, B = undefined>(
  rules: OperationRules<P, Q, B>,
): Operation {
  return rules
}
