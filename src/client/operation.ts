/** What the client has to know of an operation; the table of all is made from the API's own document. */
export interface OperationFacts {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Relative to the base: `/users/{user_id}`. */
  path: string
  /** Answers with a page of a list; the parameter that names the next one. */
  list?: 'cursor' | 'after'
  /** Takes a body, of this media type. */
  body?: string
  /** Takes `Idempotency-Key`. */
  keyed?: true
  /** Needs `If-Match`. */
  conditional?: true
}

export interface CallOptions {
  /** For the whole call with its repetitions, in milliseconds. Of a list: for each page. */
  deadlineMs?: number
  signal?: AbortSignal
  /** Parameters that have no place of their own, such as `fields`. */
  query?: Query
  /** Such as `Accept-Language`. */
  headers?: Readonly<Record<string, string>>
}

export interface CreateOptions extends CallOptions {
  /**
   * Makes the call safe to repeat, also by the caller after a failure; made up unless given. `false`: none is sent, and the
   * call is not repeated once it may have reached the server.
   */
  idempotencyKey?: string | false
}

export interface ChangeOptions extends CallOptions {
  /** The `etag` of what is to be changed, as it was last read: another's change in between is a 412. `*`: whatever it is. */
  ifMatch: string | undefined
}

export interface ReadOptions<T> extends CallOptions {
  /** What an earlier call answered: given back when nothing has changed since. */
  known?: Answer<T>
}

export type QueryValue = string | number | boolean | Date | readonly string[] | undefined
export type Query = Readonly<Record<string, QueryValue>>

/** What a call answers. */
export interface Answer<T> {
  body: T
  status: number
  /** Names the state of the thing: for `ifMatch`. */
  etag: string | undefined
  /** Where the thing that was made stands. */
  location: string | undefined
  /** An earlier request under the same idempotency key did the work; this is its answer again, without secrets. */
  replayed: boolean
  headers: Headers
}

export interface Page<T> {
  items: T[]
  pagination: Pagination
  links: Readonly<Record<string, string | null>>
  /** For the filter `cursor` (of events `after`); undefined at the end, but of events, of which more may come. */
  nextCursor: string | undefined
}

/** `next_cursor` and `has_more`, or of numbered pages `page`, `total_pages`, `has_next` and so on. */
export type Pagination = Readonly<Record<string, unknown>>

/** A list: `for await (const user of client.listUsers())` goes through all of it, fetching page by page. */
export interface List<T> extends AsyncIterable<T> {
  /** The first page alone, or the one that the filters name. */
  page(): Promise<Page<T>>
  pages(): AsyncIterable<Page<T>>
}
