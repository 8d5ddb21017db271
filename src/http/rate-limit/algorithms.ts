/**
 * The four ways of counting. Each is one statement: it reads the row under its lock, decides on the database's clock, counts
 * if the request fits, and tells what is left, so that any number of processes share one quota exactly. A refused request
 * is not counted: knocking does not keep a door shut.
 *
 * Windows begin with the first request of their key, not on the minute, so that not everybody comes back at once.
 */
import type { Expired } from '../../database/sweeper.ts'

export type AlgorithmName = 'fixed-window' | 'sliding-window' | 'token-bucket' | 'leaky-bucket'

export interface RateLimitPolicy {
  algorithm: AlgorithmName
  /** Requests (units of cost) per window. */
  quota: number
  windowSeconds: number
}

/** A row as the statement left it. */
export interface Count {
  allowed: boolean
  used: number
  used_before: number
  /** Seconds between `since` and the moment of the answer. */
  elapsed: number
}

export interface Algorithm {
  /** Bindings: policy, key, cost, quota, window in seconds. Returns one `Count`. */
  statement: string
  /** Units that would be admitted now; may be a fraction. */
  room: (count: Count, policy: RateLimitPolicy) => number
  /** Seconds until so many units will be admitted, if nobody else comes. */
  wait: (count: Count, policy: RateLimitPolicy, units: number) => number
}

/**
 * The table, for databases that are not migrated. A migration has a copy of its own, which stays as it is when this changes.
 * Unlogged: no disk is waited for, and after a crash of the database everybody starts anew.
 */
export const rateLimitTable = `
  create unlogged table if not exists rate_limits (
    policy text not null,
    key bytea not null check (length(key) = 32),
    since timestamptz not null,
    used double precision not null,
    used_before double precision not null default 0,
    allowed boolean not null,
    expires_at timestamptz not null,
    primary key (policy, key)
  ) with (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_limit = 1000,
    autovacuum_analyze_scale_factor = 0.05
  );
  create index if not exists rate_limits_by_expiry on rate_limits (expires_at);
`

export const expiredRateLimits: Expired = { table: 'rate_limits', column: 'expires_at' }

/** In whole minutes: while the value stays the same, an update touches no index (heap-only tuples). */
const EXPIRES_AT = `to_timestamp(ceil((extract(epoch from clock_timestamp()) + 2 * $5::float8) / 60) * 60)`

/**
 * @param state from `held` (the row), `now` and `elapsed`: `started`, `counted` and `before`, as they are without this request
 * @param fits whether the request fits that
 */
function statement(state: string, fits: string): string {
  return `
    insert into rate_limits as held (policy, key, since, used, allowed, expires_at)
    values ($1, $2, clock_timestamp(), $3::float8, $3::float8 <= $4::float8, ${EXPIRES_AT})
    on conflict (policy, key) do update set (since, used, used_before, allowed, expires_at) = (
      select started, counted + case when fits then $3::float8 else 0 end, before, fits, ${EXPIRES_AT}
      from (select clock_timestamp() as now) as clock
      cross join lateral (select extract(epoch from now - held.since)::float8 as elapsed) as quiet
      cross join lateral (${state}) as state
      cross join lateral (select ${fits} as fits) as verdict
    )
    returning allowed, used, used_before, extract(epoch from clock_timestamp() - since)::float8 as elapsed`
}

/** So many in each window. The simplest; around the end of a window twice as many may come in a short time. */
const fixedWindow: Algorithm = {
  // A clock that was set back begins a window too: nobody waits for it to catch up.
  statement: statement(
    `select case when over then now else held.since end as started, case when over then 0 else held.used end as counted,
       0 as before
     from (select elapsed < 0 or elapsed >= $5::float8 as over) as ending`,
    `counted + $3::float8 <= $4::float8`,
  ),
  room: ({ used, elapsed }, { quota, windowSeconds }) => (elapsed < windowSeconds ? quota - used : quota),
  wait: ({ used, elapsed }, { quota, windowSeconds }, units) =>
    used + units <= quota ? 0 : Math.max(0, windowSeconds - elapsed),
}

/**
 * So many in any window, estimated from two counters: the present window's, and of the one before the share that still lies
 * in the last `windowSeconds`. Exact as long as requests come evenly; two numbers however many there are.
 */
const slidingWindow: Algorithm = {
  statement: statement(
    `select case periods when 0 then held.since when 1 then held.since + make_interval(secs => $5::float8) else now end
         as started,
       case periods when 0 then held.used else 0 end as counted,
       case periods when 0 then held.used_before when 1 then held.used else 0 end as before,
       case when periods in (0, 1) then 1 - (elapsed - periods * $5::float8) / $5::float8 else 0 end as share
     from (select case when elapsed < 0 then 2 else floor(elapsed / $5::float8) end as periods) as past`,
    `before * share + counted + $3::float8 <= $4::float8`,
  ),
  room: ({ used, used_before, elapsed }, { quota, windowSeconds }) =>
    quota - used - used_before * Math.max(0, 1 - elapsed / windowSeconds),
  wait({ used, used_before, elapsed }, { quota, windowSeconds }, units) {
    const spare = quota - units - used
    // In this window, when enough of the one before has slid out; else in the next, of which this is then the one before.
    if (spare >= 0) return Math.max(0, windowSeconds * outgrown(used_before, spare) - elapsed)
    return windowSeconds - elapsed + windowSeconds * outgrown(used, quota - units)
  },
}

/** The part of a window that must pass until no more than `spare` of the window before counts. */
function outgrown(before: number, spare: number): number {
  return before > spare ? 1 - spare / before : 0
}

/** What is in the bucket runs out at a constant rate: `quota` in `windowSeconds`. */
const LEAKING = `
  select now as started, greatest(0, held.used - greatest(0, elapsed) * $4::float8 / $5::float8) as counted, 0 as before`

function level({ used, elapsed }: Count, { quota, windowSeconds }: RateLimitPolicy): number {
  return Math.max(0, used - (elapsed * quota) / windowSeconds)
}

/**
 * A quota that comes back little by little, and may be spent at once: the generic cell rate algorithm with a burst of the
 * whole quota (ITU-T I.371, in its form as a continuous-state bucket, whose level is what has been spent).
 */
const tokenBucket: Algorithm = {
  statement: statement(LEAKING, `counted + $3::float8 <= $4::float8`),
  room: (count, policy) => policy.quota - level(count, policy),
  wait: (count, policy, units) =>
    Math.max(0, ((level(count, policy) + units - policy.quota) * policy.windowSeconds) / policy.quota),
}

/**
 * A constant rate: one request in each interval of `windowSeconds / quota`, and nothing saved up. The same bucket with a
 * burst of one, as a meter: what comes too early is refused, not made to wait, because a waiting request holds a connection
 * that others need. It may be half an interval early (the tolerance of I.371), else whoever keeps the rate but not the beat
 * would lose a part of it. A request of cost n is followed by n intervals of quiet.
 */
const leakyBucket: Algorithm = {
  statement: statement(LEAKING, `counted <= 0.5`),
  room: (count, policy) => (level(count, policy) <= 0.5 ? 1 : 0),
  wait: (count, policy) => Math.max(0, ((level(count, policy) - 0.5) * policy.windowSeconds) / policy.quota),
}

export const algorithms: Readonly<Record<AlgorithmName, Algorithm>> = {
  'fixed-window': fixedWindow,
  'sliding-window': slidingWindow,
  'token-bucket': tokenBucket,
  'leaky-bucket': leakyBucket,
}
