/** A small API of notes, with everything that the kit can do, on a database of its own. */
import type { Knex } from 'knex'
import Koa from 'koa'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { createApi, type ApiOptions } from '../../src/http/api/api.ts'
import { createIdempotencyStore, idempotencyTable } from '../../src/http/api/idempotency.ts'
import { operation, type Answer, type Call, type Found, type Principal } from '../../src/http/api/operation.ts'
import { createHttpServer } from '../../src/http/http-server.ts'
import { commonProblems, problemsBelow, problemsOf } from '../../src/http/problem.ts'
import { trace } from '../../src/http/trace.ts'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { keyset, type Position } from '../../src/lib/keyset.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { emptyDatabaseUrl, type Teardown } from '../support/database.ts'

export const noteProblems = {
  ...commonProblems,
  'note-full': { status: 409, title: 'The note is full', about: 'No more fits in.' },
}
const problem = problemsOf(noteProblems)

const noteSchema = z.object({
  id: z.string(),
  title: z.string(),
  color: z.string().nullable(),
  tags: z.array(z.string()),
  version: z.int(),
  created_at: z.string(),
  links: z.record(z.string(), z.string()),
})

const newNote = z.strictObject({
  title: z.string().min(1).max(5000),
  color: z.enum(['red', 'green']).nullable().default(null),
  tags: z.array(z.string().max(20)).max(5).default([]),
})

interface Row {
  id: string
  title: string
  color: string | null
  tags: string[]
  version: number
  created_at: Date
}

const TABLE = `create table notes (
  id text primary key, title text not null, color text, tags text[] not null default '{}',
  version integer not null default 1, created_at timestamptz not null default clock_timestamp()
)`

const COLUMNS: Record<string, { column: string; nullable: boolean }> = {
  created_at: { column: 'created_at', nullable: false },
  title: { column: 'title', nullable: false },
  color: { column: 'color', nullable: true },
}

export interface Spy {
  prepared: number
  handled: number
}

function present({ created_at, ...row }: Row, { link, may }: Pick<Call, 'link' | 'may'>) {
  const self = link(`/notes/${row.id}`)
  return { ...row, created_at: created_at.toISOString(), links: { self, ...(may('notes:write') && { edit: self }) } }
}

async function findPage(db: Knex, { page, query }: Call<unknown, { color?: string | undefined }>): Promise<Found> {
  const { column, nullable } = COLUMNS[page.sorting.by]!
  const set = keyset({ column, nullable, descending: page.sorting.descending, after: page.after })
  const all = db('notes').where(query.color ? { color: query.color } : {})
  const rows = await all
    .clone()
    .select('*', db.raw(`${set.position} as position`))
    .whereRaw(set.where ?? 'true', set.bindings)
    .orderByRaw(set.orderBy)
    .offset(page.offset ?? 0)
    .limit(page.limit + 1)
  const items = rows.slice(0, page.limit) as (Row & { position: string | null })[]
  const last = items.at(-1)
  const next: Position | undefined =
    rows.length > page.limit && last ? { value: last.position, id: last.id } : undefined
  const total = page.wantsTotal ? Number((await all.count())[0]!.count) : undefined
  return { items, next, total }
}

/** @param spy counts what the handlers of `createNote` did */
export function noteOperations(spy: Spy = { prepared: 0, handled: 0 }) {
  const params = z.object({ note_id: z.string() })
  const one = { path: '/notes/{note_id}', tag: 'Notes', params } as const
  const responses = { 200: { description: 'The note', schema: noteSchema } }
  const versionOf = async ({ db, params }: Call<{ note_id: string }, any, undefined>) =>
    (await db<Row>('notes').where({ id: params.note_id }).first())?.version
  const update = async (call: Call<{ note_id: string }, any, any>, change: object): Promise<Answer> => {
    const { db, params, ifVersion } = call
    const [row] = await db<Row>('notes')
      .where({ id: params.note_id, ...(ifVersion !== undefined && { version: ifVersion }) })
      .update({ ...change, version: db.raw('version + 1') as unknown as number })
      .returning('*')
    if (!row) throw problem('precondition-failed')
    return { body: present(row, call), version: row.version }
  }
  return [
    operation({
      id: 'listNotes',
      method: 'GET',
      path: '/notes',
      tag: 'Notes',
      summary: 'List notes',
      access: { scope: 'notes:read' },
      query: z.strictObject({ color: z.enum(['red', 'green']).optional() }),
      list: {
        sort: ['created_at', 'title', 'color'],
        defaultSort: 'created_at',
        paging: ['cursor', 'offset'],
        csv: ['id', 'title', 'color', 'tags', 'version'],
      },
      responses,
      async handle(call) {
        const found = await findPage(call.db, call)
        return { list: { ...found, items: found.items.map((row) => withoutPosition(present(row as Row, call))) } }
      },
    }),
    operation({
      id: 'createNote',
      method: 'POST',
      path: '/notes',
      tag: 'Notes',
      summary: 'Write a note',
      access: { scope: 'notes:write' },
      body: { schema: newNote, mostBytes: 16 * 1024 },
      idempotent: true,
      responses: { 201: { description: 'The note', schema: noteSchema } },
      problems: ['note-full'],
      async prepare() {
        spy.prepared += 1
      },
      async handle(call) {
        spy.handled += 1
        const { db, body } = call
        if (body.title === 'full') throw problem('note-full')
        if (body.title === 'bug') throw new Error('a bug')
        const [row] = await db<Row>('notes').insert({ id: randomUUID(), ...body }).returning('*') // prettier-ignore
        return { body: present(row!, call), version: row!.version, location: `/notes/${row!.id}` }
      },
    }),
    operation({
      ...one,
      id: 'readNote',
      method: 'GET',
      summary: 'Read a note',
      access: { scope: 'notes:read' },
      responses,
      async handle(call) {
        const row = await call.db<Row>('notes').where({ id: call.params.note_id }).first()
        if (!row) throw problem('not-found')
        return { body: present(row, call), version: row.version }
      },
    }),
    operation({
      ...one,
      id: 'replaceNote',
      method: 'PUT',
      summary: 'Write a note anew, or under an id of your own',
      access: { scope: 'notes:write' },
      body: { schema: newNote },
      responses: { ...responses, 201: { description: 'A new note', schema: noteSchema } },
      precondition: versionOf,
      async handle(call) {
        const { db, params, body, ifVersion } = call
        if (ifVersion !== undefined) return { ...(await update(call, body)), status: 200 }
        const [row] = await db<Row>('notes')
          .insert({ id: params.note_id, ...body })
          .onConflict('id')
          .ignore()
          .returning('*')
        if (!row) throw problem('precondition-failed')
        return { status: 201, body: present(row, call), version: row.version, location: `/notes/${row.id}` }
      },
    }),
    operation({
      ...one,
      id: 'changeNote',
      method: 'PATCH',
      summary: 'Change a note',
      access: { scope: 'notes:write' },
      body: { schema: newNote.partial() },
      responses,
      precondition: versionOf,
      handle: (call) => update(call, call.body),
    }),
    operation({
      ...one,
      id: 'deleteNote',
      method: 'DELETE',
      summary: 'Throw a note away',
      access: { scope: 'notes:write' },
      responses: { 204: { description: 'Gone' } },
      precondition: versionOf,
      async handle({ db, params }) {
        await db('notes').where({ id: params.note_id }).delete()
        return {}
      },
    }),
    operation({
      ...one,
      id: 'createShare',
      path: '/notes/{note_id}/shares',
      method: 'POST',
      summary: 'Share a note by a secret link',
      access: 'authenticated',
      body: { schema: z.strictObject({ padding: z.int().max(5000) }), optional: true },
      idempotent: true,
      responses: { 201: { description: 'The secret', schema: z.object({ id: z.string(), secret: z.string() }) } },
      async handle({ params, body }) {
        const secret = randomUUID().padEnd(body?.padding ?? 0, '=')
        return { body: { id: params.note_id, secret }, secrets: ['secret'] }
      },
    }),
    operation({
      id: 'readMotd',
      method: 'GET',
      path: '/motd',
      tag: 'Notes',
      summary: 'Read the words of the day',
      access: 'public',
      responses: { 200: { description: 'Words', schema: z.object({ text: z.string() }) } },
      async handle({ principal }) {
        return { body: { text: `Hello ${principal?.id ?? 'stranger'}` } }
      },
    }),
    operation({
      id: 'streamNotes',
      method: 'GET',
      path: '/stream',
      tag: 'Notes',
      summary: 'Follow',
      access: 'public',
      responses: { 200: { description: 'Lines', mediaType: 'text/event-stream' } },
      async handle({ ctx }) {
        ctx.type = 'text/event-stream'
        ctx.body = `data: ${'x'.repeat(3000)}\n\n`
        return { handled: true }
      },
    }),
  ]
}

function withoutPosition<T extends object>(item: T): T {
  const { position: _, ...rest } = item as T & { position?: unknown }
  return rest as T
}

export interface NotesServer {
  url: string
  db: Database
  logged: Record<string, unknown>[]
  spy: Spy
  call(
    path: string,
    init?: Omit<RequestInit, 'headers'> & { as?: string | null; headers?: Record<string, string> },
  ): Promise<Response>
  /** Puts notes in, one for each title, a millisecond apart. @returns their ids */
  write(titles: readonly string[], color?: string): Promise<string[]>
}

/** Whoever calls is their bearer token: `ada` may all, `reader` may read, `nobody` nothing. */
const PEOPLE: Record<string, readonly string[]> = { ada: ['notes:read', 'notes:write'], bob: ['notes:read', 'notes:write'], reader: ['notes:read'], nobody: [] } // prettier-ignore

export async function startNotes(t: Teardown, overrides: Partial<ApiOptions> = {}): Promise<NotesServer> {
  const log = createLogger({ level: 'info', destination: { write: (line) => void logged.push(JSON.parse(line) as Record<string, unknown>) } }) // prettier-ignore
  const logged: Record<string, unknown>[] = []
  const db = await connectDatabase({ url: await emptyDatabaseUrl(t), dataDirectory: '', poolMax: 4, log })
  t.teardown(() => db.close())
  await db.knex.raw(TABLE)
  await db.knex.raw(idempotencyTable)
  const spy = { prepared: 0, handled: 0 }
  const app = new Koa()
  app.silent = true
  const server = createHttpServer((req, res) => void app.callback()(req, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close().closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const rendering = { log, typeBase: 'https://notes.example/problems#' }
  app.use(trace(log))
  app.use(problemsBelow('/api', rendering))
  const version = { number: 1, operations: noteOperations(spy) }
  app.use(
    createApi({
      title: 'Notes',
      base: '/api',
      origin: url,
      vendor: 'notes',
      versions: [version],
      defaultVersion: 1,
      db,
      catalogue: noteProblems,
      ...rendering,
      cursorSecrets: [Buffer.from('a secret of this test')],
      authenticate: async (ctx) => principalOf(ctx.get('authorization')),
      challenge: (scope, error) =>
        `Bearer realm="notes"${error ? `, error="${error}"` : ''}${scope ? `, scope="${scope}"` : ''}`,
      idempotency: createIdempotencyStore({ knex: db.knex }),
      checkAnswers: true,
      ...overrides,
    }),
  )
  return {
    url,
    db,
    logged,
    spy,
    call: (path, { as = 'ada', headers, ...init } = {}) =>
      fetch(url + path, {
        ...init,
        headers: { ...(as && { authorization: `Bearer ${as}` }), ...headers },
      }),
    async write(titles, color) {
      const start = Date.parse('2026-01-01T00:00:00Z')
      const rows = titles.map((title, index) => ({ id: `note-${randomUUID()}`, title, color: color ?? null, created_at: new Date(start + index) })) // prettier-ignore
      if (rows.length > 0) await db.knex('notes').insert(rows)
      return rows.map(({ id }) => id)
    },
  }
}

function principalOf(authorization: string): Principal | undefined {
  if (authorization === '') return undefined
  const id = authorization.replace('Bearer ', '')
  const scopes = PEOPLE[id]
  if (!scopes) throw problem('unauthenticated', { headers: { 'www-authenticate': 'Bearer error="invalid_token"' } })
  return { id, kind: 'user', scopes: new Set(scopes) }
}

/** A problem's body. */
export interface ProblemBody {
  type: string
  title: string
  status: number
  detail?: string
  instance: string
  trace_id: string
  errors?: { pointer?: string; parameter?: string; header?: string; detail: string; code?: string }[]
}

/** The last part of a problem's type, after it was seen to be a problem. */
export async function problemOf(response: Response): Promise<ProblemBody & { code: string }> {
  if (response.headers.get('content-type') !== 'application/problem+json') {
    throw new Error(`no problem: ${response.status} ${await response.text()}`)
  }
  const body = (await response.json()) as ProblemBody
  if (body.status !== response.status) throw new Error('the status in the body is another')
  return { ...body, code: body.type.split('#')[1] ?? '' }
}
