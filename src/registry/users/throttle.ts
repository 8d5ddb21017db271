/**
 * Slows down guessing, by account and by address. An attempt is counted before the password is looked at, by one statement
 * on the database's clock: guesses sent at the same moment to many instances count one by one, and those that come while a
 * block lasts are refused without being counted (else anyone could hold an account shut by knocking).
 *
 *   free ──failure──▶ free … ──one too many──▶ blocked 2, 4, 8 … 300 s ──time──▶ one more try ──failure──▶ blocked longer
 *     ▲                                                              └─success──▶ (account) forgotten
 *     └──────────────────────── 15 minutes of quiet ◀────────────────────────────────────────────────────┘
 *
 * The account's key is made from what was typed, whether or not such an account exists, so a block tells nothing.
 */
import { createHash } from 'node:crypto'
import type pg from 'pg'
import { run, statement } from '../../database/statement.ts'
import { networkOf } from '../../lib/network.ts'
import { normalizeLogin } from './user.ts'

export interface ThrottlePolicy {
  /** Failures that cost nothing. */
  free: number
  /** After this much quiet all failures are forgotten. */
  forgetSeconds: number
  /**
   * One failure is forgotten for each such span of quiet. Behind one address there may be a whole office, which is never
   * quiet for a quarter of an hour; its occasional mistakes must not add up for ever.
   */
  drainSeconds: number
}

export const LONGEST_BLOCK_SECONDS = 300

const ACCOUNT: ThrottlePolicy = { free: 5, forgetSeconds: 900, drainSeconds: Infinity }
const ADDRESS: ThrottlePolicy = { free: 50, forgetSeconds: 900, drainSeconds: 18 }

/** An attempt that was let through and counted as a failure until it proves to be none. */
export interface Attempt {
  allowed: true
  account: Counted
  address: Counted
}

export interface Refusal {
  allowed: false
  /** Whole seconds, at least 1. */
  retryAfterSeconds: number
}

interface Counted {
  key: Buffer
  /** Set when this attempt began a block: until when, as the database wrote it, and how long that is. */
  block: { until: string; seconds: number } | undefined
}

export interface LoginThrottle {
  /** Counts an attempt, unless the account or the address is blocked. */
  begin(pool: pg.Pool, attempt: { login: string; address: string }): Promise<Attempt | Refusal>
  /** The password was right: the account starts afresh, and the address gets back what this attempt cost it. */
  succeed(pool: pg.Pool, attempt: Attempt): Promise<void>
  /** The password was never looked at: nothing was learned, so nothing counts. */
  withdraw(pool: pg.Pool, attempt: Attempt): Promise<void>
}

const USER_CODES = {
  account: { free: 5, forgetSeconds: 900, drainSeconds: Infinity },
  address: { free: 20, forgetSeconds: 900, drainSeconds: 30 },
  purpose: 'user-code ',
}

/** The same for the codes that devices show (RFC 8628 §5.1), by the session in which they are typed, and by address. */
export function createUserCodeThrottle(): LoginThrottle {
  return createLoginThrottle(USER_CODES)
}

/** @param options.purpose what is guessed, when it is not passwords: its counters are its own */
export function createLoginThrottle({
  account = ACCOUNT,
  address = ADDRESS,
  purpose = '',
}: { account?: ThrottlePolicy; address?: ThrottlePolicy; purpose?: string } = {}): LoginThrottle {
  return {
    begin: async (pool, attempt) => {
      const keys = { account: accountKey(purpose, attempt.login), address: addressKey(purpose, attempt.address) }
      const counted = await count(pool, [
        { key: keys.account, ...account },
        { key: keys.address, ...address },
      ])
      const byAccount = counted.find(({ key }) => key.equals(keys.account))
      const byAddress = counted.find(({ key }) => key.equals(keys.address))
      if (byAccount && byAddress) return { allowed: true, account: byAccount, address: byAddress }
      // Another attempt blocked one of the two in this very moment: what the other was charged is given back.
      for (const one of counted) await uncount(pool, one)
      return { allowed: false, retryAfterSeconds: await secondsLeft(pool, [keys.account, keys.address]) }
    },

    succeed: async (pool, { account: forgotten, address: { key, block } }) => {
      await run(pool, SUCCEED, [key, block?.until ?? null, forgotten.key])
    },

    withdraw: async (pool, attempt) => {
      await uncount(pool, attempt.account)
      await uncount(pool, attempt.address)
    },
  }
}

/**
 * Both counters in one statement, or neither when a block already stands. The condition is checked once more on the locked
 * row, which is where attempts that run at the same time meet; rows are taken in the order of their keys, so two attempts
 * can't wait for each other.
 */
const COUNT = statement(`
  with policy (key, free, forget, drain) as (
    values ($1::bytea, $2::int, $3::float8, $4::float8), ($5::bytea, $6::int, $7::float8, $8::float8)
  ), attempt as (
    select key from policy
    where not exists (
      select from policy join login_throttles using (key) where blocked_until > clock_timestamp()
    )
    order by key
  )
  insert into login_throttles as counter (key, failures, last_failure_at, blocked_until)
  select key, 1, clock_timestamp(), clock_timestamp() from attempt
  on conflict (key) do update set (failures, last_failure_at, blocked_until) = (
    select total, clock_timestamp(), case when total > free
      then clock_timestamp() + make_interval(secs => least($9::float8, power(2, least(total - free, 30))))
      else counter.blocked_until end
    from policy
    cross join lateral (select extract(epoch from clock_timestamp() - counter.last_failure_at)::float8 as quiet) as since
    cross join lateral (
      select 1 + case when quiet >= forget then 0
        else greatest(0, counter.failures - floor(quiet / drain)::int) end as total
    ) as failed
    where policy.key = counter.key
  )
  where counter.blocked_until <= clock_timestamp()
  returning key, blocked_until::text as until,
    greatest(0, round(extract(epoch from blocked_until - last_failure_at)))::int as seconds`)

/** One failure less, and the block away with it if it was the one that this attempt began. */
const LESS = `
  failures = greatest(0, failures - 1),
  blocked_until = case when blocked_until = $2::timestamptz then clock_timestamp() else blocked_until end`

const UNCOUNT = statement(`update login_throttles set ${LESS} where key = $1`)

// Both rows in the order of their keys, as they are counted.
const SUCCEED = statement(`
  with held as materialized (
    select key from login_throttles where key in ($1, $3) order by key for update
  ), forgotten as (
    delete from login_throttles using held where login_throttles.key = held.key and held.key = $3
  )
  update login_throttles set ${LESS} from held where login_throttles.key = held.key and held.key = $1`)

const SECONDS_LEFT = statement(`
  select ceil(extract(epoch from max(blocked_until) - clock_timestamp()))::int as seconds
  from login_throttles where key = any ($1)`)

async function count(pool: pg.Pool, wanted: (ThrottlePolicy & { key: Buffer })[]): Promise<Counted[]> {
  const policies = wanted.flatMap(({ key, free, forgetSeconds, drainSeconds }) => [
    key,
    free,
    forgetSeconds,
    drainSeconds,
  ])
  const rows = await run<{ key: Buffer; until: string; seconds: number }>(pool, COUNT, [
    ...policies,
    LONGEST_BLOCK_SECONDS,
  ])
  return rows.map(({ key, until, seconds }) => ({ key, block: seconds > 0 ? { until, seconds } : undefined }))
}

/** Takes one failure back, and the block with it if it was this attempt that began it. */
async function uncount(pool: pg.Pool, { key, block }: Counted): Promise<void> {
  await run(pool, UNCOUNT, [key, block?.until ?? null])
}

async function secondsLeft(pool: pg.Pool, keys: Buffer[]): Promise<number> {
  const [row] = await run<{ seconds: number | null }>(pool, SECONDS_LEFT, [keys])
  return Math.max(1, row?.seconds ?? 1)
}

/** Every spelling of a login name that means the same account has the same key; so does a name that nobody has. */
function accountKey(purpose: string, login: string): Buffer {
  return digest(`${purpose}account`, normalizeLogin(login) ?? login.normalize('NFKC').toLowerCase().trim())
}

/** An IPv6 customer has a /64 to choose addresses from; an IPv4 address may come dressed as IPv6. */
function addressKey(purpose: string, address: string): Buffer {
  return digest(`${purpose}address`, networkOf(address))
}

function digest(kind: string, value: string): Buffer {
  return createHash('sha256').update(`${kind}\0${value}`).digest()
}
