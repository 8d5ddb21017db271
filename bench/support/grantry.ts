/** A server as it runs in production: behind a proxy that ends TLS, on a PostgreSQL of its own, with every limit on. */
import { join } from 'node:path'
import type { Options } from '../scenario.ts'
import type { Cluster } from './cluster.ts'
import { cpuOf } from './cpu.ts'
import { fill } from './fill.ts'
import { freePort, startProcess, type MeasuredProcess } from './process.ts'
import { seed, type Seed } from './seed.ts'

export const ISSUER = 'https://auth.example.com'
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

export interface GrantryOptions {
  environment?: Readonly<Record<string, string>>
  /** A database to use in place of a fresh copy. */
  databaseUrl?: string
  /** False: nothing rides along in the process. */
  probe?: boolean
}

export interface Grantry extends MeasuredProcess {
  issuer: string
  databaseUrl: string
  seed: Seed
  masterKey: string
  /** CPU of PostgreSQL so far, µs. */
  postgresCpu(): number
}

/** Counted like any, and met by nobody. */
const QUOTA = 'q=1000000;w=60'

function environmentOf(cluster: Cluster, databaseUrl: string, port: number): Record<string, string> {
  return {
    NODE_ENV: 'production',
    ISSUER,
    HOST: '127.0.0.1',
    PORT: String(port),
    TRUST_PROXY: '1',
    DATABASE_URL: databaseUrl,
    MASTER_KEY: cluster.masterKey,
    LOG_LEVEL: 'info',
    // No balancer has to notice that it ends.
    SHUTDOWN_DELAY_SECONDS: '0',
    AUTHORIZATIONS_PER_MINUTE: '1000000',
    RATE_LIMIT_ADDRESS: `sliding-window;${QUOTA}`,
    RATE_LIMIT_API: `token-bucket;${QUOTA}`,
    RATE_LIMIT_TOKEN: `sliding-window;${QUOTA}`,
    RATE_LIMIT_LOGIN: `sliding-window;${QUOTA}`,
  }
}

export interface Template {
  name: string
  seed: Seed
}

/** With a tenth as many refresh tokens. */
const LIVE_ARTIFACTS = 200_000

/** A database with schema, keys and seed, in use for some days, to be copied. */
export async function makeTemplate(cluster: Cluster, { people }: Pick<Options, 'people'>): Promise<Template> {
  const { name, url } = await cluster.createDatabase()
  const port = await freePort()
  const environment = environmentOf(cluster, url, port)
  const server = await startProcess({ main: MAIN, port, environment, readyPath: '/health/ready' })
  await server.close()
  const made = await seed(url, people)
  // Plans are made for tables that are in use: those of an empty database would be those of its first minute.
  await fill(url, { expired: 0, live: LIVE_ARTIFACTS }, made)
  return { name, seed: made }
}

export async function startGrantry(
  cluster: Cluster,
  template: Template,
  { environment = {}, databaseUrl, probe = true }: GrantryOptions = {},
): Promise<Grantry> {
  const url = databaseUrl ?? (await cluster.createDatabase(template.name)).url
  const port = await freePort()
  const server = await startProcess({
    main: MAIN,
    port,
    environment: { ...environmentOf(cluster, url, port), ...environment },
    readyPath: '/health/ready',
    probe,
  })
  return {
    ...server,
    issuer: environment.ISSUER ?? ISSUER,
    databaseUrl: url,
    seed: template.seed,
    masterKey: cluster.masterKey,
    postgresCpu: () => cpuOf(cluster.pid),
  }
}
