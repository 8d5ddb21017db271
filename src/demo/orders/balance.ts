/**
 * What a person has: a place for each of their orders, and the money that they are paid from. Both are taken by one
 * conditional statement, so that any number of requests at once stay within them.
 */
import { BALANCE_CURRENCY, FIRST_BALANCE_CENTS, MOST_ORDERS, type Db } from './order.ts'
import { OrderRefusal } from './refusal.ts'

export interface Account {
  userId: string
  balanceCents: number
  orderCount: number
}

/** Everybody has an account, also who was never here. */
export async function findAccount(db: Db, userId: string): Promise<Account> {
  const { rows } = await db.raw<{ rows: Account[] }>(
    `select user_id as "userId", balance_cents as "balanceCents", order_count as "orderCount"
     from order_owners where user_id = ?`,
    [userId],
  )
  return rows[0] ?? { userId, balanceCents: FIRST_BALANCE_CENTS, orderCount: 0 }
}

/** Takes from the balance, or gives back what is negative. Runs in the transaction of the change that it pays for. */
export async function pay(db: Db, userId: string, cents: number): Promise<void> {
  if (cents === 0) return
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `update order_owners set balance_cents = balance_cents - ?
     where user_id = ? and balance_cents >= ? returning user_id`,
    [cents, userId, cents],
  )
  if (rows.length === 0) throw insufficientFunds(await findAccount(db, userId), cents)
}

/** Frees the place of an order that is deleted. */
export async function leavePlace(db: Db, userId: string): Promise<void> {
  await db.raw('update order_owners set order_count = order_count - 1 where user_id = ?', [userId])
}

/** Why an order found no place: judged by what stands there now; undefined when it would find one by now. */
export function refusalOf(account: Account, cents: number): OrderRefusal | undefined {
  if (account.orderCount >= MOST_ORDERS) return new OrderRefusal('too-many-orders')
  return account.balanceCents < cents ? insufficientFunds(account, cents) : undefined
}

function insufficientFunds({ balanceCents }: Account, cents: number): OrderRefusal {
  const detail = `The balance is ${money(balanceCents)} but the order needs ${money(cents)}`
  return new OrderRefusal('insufficient-funds', detail, {
    balance: balanceCents / 100,
    required: cents / 100,
    currency: BALANCE_CURRENCY,
  })
}

function money(cents: number): string {
  return `${(cents / 100).toFixed(2)} ${BALANCE_CURRENCY}`
}
