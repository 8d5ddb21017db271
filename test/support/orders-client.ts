/** People who call the demo's API, each nobody else. */
import pg from 'pg'
import type { DemoFixture } from './demo.ts'

export interface OrderBody {
  id: string
  user_id: string
  item: string
  quantity: number
  amount_cents: number
  currency: string
  status: string
  created_at: string
  updated_at: string
  items: { id: string; item: string; quantity: number; amount_cents: number }[]
  links: Record<string, string>
}

export interface ListBody<T = OrderBody> {
  data: T[]
  pagination: Record<string, unknown> & { next_cursor: string }
  links: Record<string, string>
}

export interface ProblemBody extends Record<string, unknown> {
  type: string
  title: string
  status: number
  detail?: string
  trace_id: string
  errors?: { pointer?: string; parameter?: string; detail: string; code: string }[]
}

export type Call = RequestInit & { json?: unknown }

export interface Person {
  sub: string
  call(path: string, init?: Call, claims?: Record<string, unknown>): Promise<Response>
}

let people = 0

/** @param claims of their tokens, beside the id */
export function newPerson({ demo, issuer }: DemoFixture, claims: Record<string, unknown> = {}): Person {
  const sub = `usr_person${++people}`
  return {
    sub,
    async call(path, { json, ...init } = {}, changes = {}) {
      const token = await issuer.accessToken({ claims: { sub, ...claims, ...changes } })
      const headers = new Headers(init.headers)
      headers.set('authorization', `Bearer ${token}`)
      if (json !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json')
      const body = json === undefined ? (init.body ?? null) : JSON.stringify(json)
      return fetch(new URL(path, demo.url), { ...init, headers, body })
    },
  }
}

export async function jsonOf<T>(response: Response | Promise<Response>): Promise<T> {
  return (await (await response).json()) as T
}

/** @throws Error unless it is a problem */
export async function problemOf(response: Response | Promise<Response>): Promise<ProblemBody> {
  const answered = await response
  if (answered.headers.get('content-type') !== 'application/problem+json') throw new Error('not a problem')
  return (await answered.json()) as ProblemBody
}

/** Orders of 100 cents each more than the one before, a minute apart, the newest last; they cost nothing. */
export async function manyOrders({ databaseUrl }: DemoFixture, userId: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query('insert into order_owners (user_id, order_count) values ($1, $2)', [userId, count])
    await client.query(
      `insert into orders (id, user_id, item, quantity, amount_cents, currency, status, items, created_at)
       select 'ord_' || md5($1 || n), $1, 'Coffee ' || n, 1, n * 100, case n % 2 when 0 then 'EUR' else 'USD' end, 'placed',
         jsonb_build_array(jsonb_build_object('id', 'itm_' || md5($1 || n), 'item', 'Coffee ' || n, 'quantity', 1,
           'amountCents', n * 100)),
         timestamptz '2026-01-01T00:00:00Z' + n * interval '1 minute'
       from generate_series(1, $2::integer) as n`,
      [userId, count],
    )
  } finally {
    await client.end()
  }
}
