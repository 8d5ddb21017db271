/** Servers for tests: in this process, or as processes of their own, each on a real database. */
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { loadConfig } from '../../src/config/load.ts'
import { loadMasterKeys } from '../../src/config/master-keys.ts'
import type { Database } from '../../src/database/connect.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createAuthServer } from '../../src/server.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { keyedDatabase, testDatabaseUrl, type Teardown } from './database.ts'
import { bareEnvironment } from './environment.ts'
import { freePort } from './free-port.ts'

export interface TestServer {
  issuer: string
  databaseUrl: string
  db: Database
  /** Log lines so far, parsed. */
  logs: Record<string, unknown>[]
  close(): Promise<void>
}

type Environment = Record<string, string>

/** A server inside this process on a database and a port of its own. */
export async function startAuthServer(t: Teardown, overrides: Environment = {}): Promise<TestServer> {
  const { databaseUrl, masterKey } = await storageFor(t, overrides)
  const port = overrides.PORT ?? String(await freePort())
  const config = loadConfig({
    PORT: port,
    DATABASE_URL: databaseUrl,
    // Nobody is to be refused because the machine stands still for a moment: see database/pool.ts.
    DATABASE_POOL_MAX: '20',
    MASTER_KEY: masterKey,
    DEMO_PORT: 'off',
    AUTHORIZATIONS_PER_MINUTE: '1000000',
    RATE_LIMIT_LOGIN: 'sliding-window;q=1000000;w=60',
    RATE_LIMIT_API: 'token-bucket;q=1000000;w=60',
    RATE_LIMIT_ADDRESS: 'sliding-window;q=1000000;w=60',
    ...overrides,
  })
  const logs: Record<string, unknown>[] = []
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n')) if (line) logs.push(JSON.parse(line) as Record<string, unknown>)
      done()
    },
  })
  const log = createLogger({ level: 'info', destination })
  const server = await createAuthServer(config, await loadMasterKeys(config), log, {
    checkAnswers: true,
    sharesProcess: true,
  })
  await server.listen()
  t.teardown(() => server.close(3000))
  return { issuer: config.issuer, databaseUrl, db: server.db, logs, close: () => server.close(3000) }
}

/** With signing keys made already, unless the test has something to say of keys. */
async function storageFor(t: Teardown, overrides: Environment): Promise<{ databaseUrl: string; masterKey: string }> {
  const isAboutKeys = Object.keys(overrides).some((name) => /^(?:KEY_|JWKS_|MASTER_KEY|DATABASE_URL)/.test(name))
  if (isAboutKeys) {
    return { databaseUrl: overrides.DATABASE_URL ?? (await testDatabaseUrl(t)), masterKey: newMasterKey() }
  }
  const { url, masterKey } = await keyedDatabase(t)
  return { databaseUrl: url, masterKey }
}

export interface ServerProcess {
  /** Where this process listens; its issuer may be another address. */
  url: string
  process: ChildProcess
  logs: Record<string, unknown>[]
  /** Ends it without warning. */
  kill(): Promise<void>
}

/**
 * Several server processes that share one database, one master key and one issuer: that of the first. Requests to the
 * others carry the issuer's host, as a balancer would send it.
 */
export async function startServerProcesses(
  t: Teardown,
  count: number,
  overrides: Environment = {},
): Promise<{ issuer: string; databaseUrl: string; servers: ServerProcess[] }> {
  const { databaseUrl, masterKey } = await storageFor(t, overrides)
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()))
  const issuer = `http://localhost:${ports[0]}`
  const shared = {
    ISSUER: issuer,
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_MAX: '12',
    MASTER_KEY: masterKey,
    DEMO_PORT: 'off',
    AUTHORIZATIONS_PER_MINUTE: '1000000',
    RATE_LIMIT_LOGIN: 'sliding-window;q=1000000;w=60',
    RATE_LIMIT_API: 'token-bucket;q=1000000;w=60',
    RATE_LIMIT_ADDRESS: 'sliding-window;q=1000000;w=60',
    ...overrides,
  }
  const servers = await Promise.all(ports.map((port) => startProcess(t, { ...shared, PORT: String(port) })))
  return { issuer, databaseUrl, servers }
}

/** `node src/main.ts` with this environment and nothing else; resolves when it prints `ready`. */
export async function startProcess(t: Teardown, environment: Environment): Promise<ServerProcess> {
  const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
  const child = spawn(process.execPath, [main], {
    env: { ...bareEnvironment, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(async () => {
    // An embedded database outlives a server that is killed, so end it as a person would.
    child.kill('SIGTERM')
    const patience = setTimeout(() => child.kill('SIGKILL'), 6000)
    await exited
    clearTimeout(patience)
  })
  const logs: Record<string, unknown>[] = []
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) logs.push(JSON.parse(line) as Record<string, unknown>)
      if (line.startsWith('ready')) resolve()
    })
    void exited.then(() => reject(new Error(`the server ended: ${errors}`)))
  })
  return { url: `http://localhost:${environment.PORT}`, process: child, logs, kill }
}
