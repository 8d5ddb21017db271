/** What years of traffic leave behind, and what is alive: written by PostgreSQL itself, in minutes instead of years. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Seed } from './seed.ts'

/** How many rows of each kind. */
export interface Filling {
  expired: number
  live: number
}

/** Of a family: as many renewals as an app makes in a day or two. */
const TOKENS_OF_A_FAMILY = 20

/** As the library stores them, in length and kind. */
const TOKEN = `json_build_object('iat', 1780000000 + n, 'exp', 1780000300 + n, 'clientId', $client, 'kind', 'ClientCredentials',
  'jti', 'x', 'aud', 'https://opaque.example.com', 'scope', 'orders:read orders:write', 'extra', json_build_object('sub', $client))`
const REFRESH_TOKEN = `json_build_object('iat', 1780000000 + n, 'exp', 1781209600 + n, 'accountId', $user, 'clientId', $client,
  'grantId', '$filling-' || n / ${TOKENS_OF_A_FAMILY}, 'gty', 'authorization_code refresh_token', 'kind', 'RefreshToken',
  'rotations', n % ${TOKENS_OF_A_FAMILY}, 'iiat', 1780000000, 'sessionUid', 'q3yT0uMZ5rXx3cU8Jq1fH', 'authTime', 1780000000,
  'claims', json_build_object('rejected', json_build_array()), 'resource', 'https://rs256.example.com',
  'scope', 'openid profile email offline_access orders:read orders:write')`

// Rows of a day ago that are expired, and of the next ten hours that are not, as they came: time and place go together.
const EXPIRES = `case when n <= $expired then now() - interval '1 day' + n * interval '1 day' / greatest($expired, 1)
  else now() + interval '1 hour' + (n - $expired) * interval '10 hours' / $live end`

const FILL = [
  `insert into artifacts (id_digest, model, client_id, payload, expires_at)
   select sha256(('$filling-artifact' || n)::bytea), 'ClientCredentials', $client, ${TOKEN}, ${EXPIRES}
   from generate_series(1, $expired + $live) as n`,
  `insert into grants (id, user_id, client_id, session_uid, payload, expires_at)
   select '$filling-' || f, $user, $client, '$filling-session-' || f, json_build_object('accountId', $user, 'clientId', $client),
     case when f * ${TOKENS_OF_A_FAMILY} <= $dead then now() - interval '1 hour' else now() + interval '10 days' end
   from generate_series(0, 2 * $tokens / ${TOKENS_OF_A_FAMILY}) as f`,
  `insert into refresh_tokens (id_digest, grant_id, payload, expires_at, consumed_at, request_digest, successor_digest, successor_used_at)
   select sha256(('$filling-refresh' || n)::bytea), '$filling-' || n / ${TOKENS_OF_A_FAMILY}, ${REFRESH_TOKEN},
     case when n <= $dead then now() - interval '1 day' + n * interval '22 hours' / greatest($dead, 1) else now() + interval '10 days' end,
     now(), sha256('request'), sha256(('$filling-refresh' || n + 1)::bytea), now()
   from generate_series(1, 2 * $tokens) as n`,
]

/**
 * Fills artifacts with so many rows, and refresh tokens of families with a tenth of them, half expired and half alive; all of
 * them alive when nothing is to be expired.
 * Indexes are made afterwards, which is quicker by far, and the planner gets its statistics.
 */
export async function fill(databaseUrl: string, { expired, live }: Filling, { app, people }: Seed): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const tokens = String(Math.ceil((expired + live) / 20))
  const values: Record<string, string> = {
    // A database may be filled again.
    filling: randomBytes(6).toString('hex'),
    client: pg.escapeLiteral(app.id),
    user: pg.escapeLiteral(people.at(-1)!.id),
    expired: String(expired),
    live: String(live),
    tokens,
    dead: expired > 0 ? tokens : '0',
  }
  const put = (text: string) => text.replaceAll(/\$(\w+)/g, (_, name: string) => values[name]!)
  try {
    // Foreign keys hold, as all rows refer to what was made here: to check each would take longer than to write it.
    await client.query(
      `set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '512MB'`,
    )
    const tables = ['artifacts', 'refresh_tokens']
    const { rows } = await client.query<{ name: string; definition: string }>(
      `select indexname as name, indexdef as definition from pg_indexes
       where tablename = any ($1) and indexname not in (select conname from pg_constraint)`,
      [tables],
    )
    for (const { name } of rows) await client.query(`drop index ${name}`)
    for (const table of tables) await client.query(`alter table ${table} drop constraint ${table}_pkey`)
    for (const statement of FILL) await client.query(put(statement))
    for (const table of tables) await client.query(`alter table ${table} add primary key (id_digest)`)
    for (const { definition } of rows) await client.query(definition)
    await client.query('vacuum analyze')
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
