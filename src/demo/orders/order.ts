/**
 * `orders` owns what the demo sells: orders, their items, and the balance that they are paid from, with every statement that
 * reads or writes them. It knows nothing of HTTP, tokens or who may do what. This file is what an order is.
 */
import { randomBytes } from 'node:crypto'
import type { Database } from '../../database/connect.ts'

/** A pool of connections, or a transaction: under an idempotency key the order and the stored answer are one. */
export type Db = Database['knex']

export type OrderStatus = 'placed' | 'shipped' | 'cancelled'

export const ORDER_STATUSES = ['placed', 'shipped', 'cancelled'] as const satisfies readonly OrderStatus[]

/** One line of an order. Items live in their order and have no life of their own: its version counts their changes too. */
export interface Item extends NewItem {
  id: string
}

export interface NewItem {
  item: string
  quantity: number
  /** Of the whole line, not of one piece. */
  amountCents: number
}

export interface Order {
  id: string
  userId: string
  /** The first item's, and what a client sees that knows of one item only. */
  item: string
  /** Pieces of all items. */
  quantity: number
  /** Of all items. */
  amountCents: number
  currency: string
  status: OrderStatus
  items: Item[]
  createdAt: Date
  updatedAt: Date
  shippedAt: Date | null
  cancelledAt: Date | null
  /** Counts the changes. */
  version: number
}

/** What a person orders. */
export interface OrderContent {
  currency: string
  items: Item[]
}

/** So that nobody can fill the demo's database. */
export const MOST_ORDERS = 1_000
export const MOST_ITEMS = 20
export const MOST_CENTS = 100_000_000

/** What everybody begins with: 1,000.00 EUR. */
export const FIRST_BALANCE_CENTS = 100_000

/** The one currency of balances. Orders in any other are on invoice. */
export const BALANCE_CURRENCY = 'EUR'

export const COLUMNS = `id, user_id as "userId", item, quantity, amount_cents as "amountCents", currency, status, items,
  created_at as "createdAt", updated_at as "updatedAt", shipped_at as "shippedAt", cancelled_at as "cancelledAt", version`

/** What the database keeps beside the items so that lists can be sorted and filtered by it. */
export function summary(items: readonly NewItem[]): NewItem {
  return {
    item: items[0]?.item ?? '',
    quantity: items.reduce((sum, { quantity }) => sum + quantity, 0),
    amountCents: items.reduce((sum, { amountCents }) => sum + amountCents, 0),
  }
}

/** What an order takes from the balance of its owner, while it stands. */
export function price({ currency, amountCents }: Pick<Order, 'currency' | 'amountCents'>): number {
  return currency === BALANCE_CURRENCY ? amountCents : 0
}

/** 128 random bits: `ord_…`, 36 characters. */
export function newOrderId(): string {
  return `ord_${randomBytes(16).toString('hex')}`
}

export function newItemId(): string {
  return `itm_${randomBytes(16).toString('hex')}`
}
