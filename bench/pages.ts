/**
 * `node bench/pages.ts [--users 100000]`: what a page of users costs, the first beside the 5,000th by cursor, on a server with a
 * PostgreSQL of its own that is filled for the run and leaves nothing behind. Both are asked for in turn, so that a machine
 * that is busy for a while slows both. Ends with 1 when the ratio of the medians is above 1.3.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../src/config/load.ts'
import { loadMasterKeys } from '../src/config/master-keys.ts'
import { newMasterKey } from '../src/lib/master-key.ts'
import { createApiKey } from '../src/registry/api-keys/create.ts'
import { createAuthServer } from '../src/server.ts'
import { createLogger } from '../src/telemetry/logger.ts'

const LIMIT = 20
const STRIDE = 100
const PAGE = 5_000
const ROUNDS = 400
const MOST_RATIO = 1.3

const { values } = parseArgs({ options: { users: { type: 'string', default: '100000' } } })
const users = Number(values.users)

// Ids as ours: 26 letters of base32, here those of a digest.
const FILL = `
  insert into users (id, username, email, name, created_at)
  select 'usr_' || translate(left(md5(n::text), 26), '0189', 'ghij'), 'user' || n, 'user' || n || '@example.com', 'User ' || n,
    now() - n * interval '1 minute'
  from generate_series(1, ?::integer) as n`

interface List {
  data: unknown[]
  pagination: { next_cursor: string | null }
}

const directory = mkdtempSync(join(tmpdir(), 'grantry-bench-'))
chmodSync(directory, 0o711)
try {
  process.exitCode = await main()
} finally {
  rmSync(directory, { recursive: true, force: true })
}

async function main(): Promise<number> {
  const port = await freePort()
  const config = loadConfig({
    DATA_DIR: directory,
    PORT: String(port),
    MASTER_KEY: newMasterKey(),
    DEMO_PORT: 'off',
    RATE_LIMIT_API: 'fixed-window;q=1000000;w=1',
    RATE_LIMIT_ADDRESS: 'fixed-window;q=1000000;w=1',
  })
  const server = await createAuthServer(config, await loadMasterKeys(config), createLogger({ level: 'silent' }))
  try {
    await server.listen()
    await server.db.knex.raw(FILL, [users])
    await server.db.knex.raw('analyze users')
    const key = await createApiKey(server.db.knex, { name: 'bench', scopes: ['users:read'], actor: 'bench' })
    return await measure(`${config.issuer}/api/v1/users`, key.value)
  } finally {
    await server.close(5_000)
  }
}

async function measure(url: string, key: string): Promise<number> {
  const read = async (query: string) => {
    const response = await fetch(`${url}?${query}`, { headers: { 'x-api-key': key } })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status} ${text}`)
    return text
  }
  const cursor = await cursorOf(PAGE, read)
  const [first, deep] = [`limit=${LIMIT}`, `limit=${LIMIT}&cursor=${cursor}`]
  const times: { first: number[]; deep: number[] } = { first: [], deep: [] }
  for (let round = -50; round < ROUNDS; round += 1) {
    const both = { first: await clock(() => read(first)), deep: await clock(() => read(deep)) }
    if (round < 0) continue
    times.first.push(both.first)
    times.deep.push(both.deep)
  }
  const [one, other] = [median(times.first), median(times.deep)]
  console.log(`${users} users, limit ${LIMIT}, medians of ${ROUNDS} requests in turn`)
  console.log(`page 1       ${one.toFixed(2)} ms`)
  console.log(`page ${PAGE}    ${other.toFixed(2)} ms`)
  console.log(`ratio        ${(other / one).toFixed(2)}`)
  return other / one <= MOST_RATIO ? 0 : 1
}

/** Where the page begins, found as any caller finds it: page by page. Only the last whole stride has a cursor after it. */
async function cursorOf(page: number, read: (query: string) => Promise<string>): Promise<string> {
  const before = Math.min((page - 1) * LIMIT, users - LIMIT)
  let cursor = ''
  for (let passed = 0; passed < before;) {
    const limit = Math.min(STRIDE, before - passed)
    const { pagination } = JSON.parse(await read(`limit=${limit}&cursor=${cursor}`)) as List
    if (pagination.next_cursor === null) throw new Error('there are fewer users than that')
    cursor = pagination.next_cursor
    passed += limit
  }
  return cursor
}

async function clock(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

function median(all: readonly number[]): number {
  return all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)]!
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => probe.once('listening', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}
