/** Two instances on a PostgreSQL of their own, behind a network that can fail, and a world for the load on them. */
import { join } from 'node:path'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { startEmbedded } from '../../src/database/embedded.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startProcess, type ServerProcess } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { postmasterOf, scratch } from '../support/embedded.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, buildResource, buildUser } from '../support/registry.ts'
import { Visitor } from '../support/visitor.ts'
import { BROWSERS, type World } from './load.ts'
import { startNetwork, type Network } from './network.ts'

export interface FaultRig {
  world: World
  /** Past the network that fails. */
  db: Database
  network: Network
  servers: ServerProcess[]
  /** Starts the instance anew in its place. */
  restart(index: number): Promise<void>
  /** The number of PostgreSQL's first process. Whatever ends it, it is started again. */
  postmaster(): number
  /** What the servers have called a bug so far. */
  errors: () => Record<string, unknown>[]
}

/** What no test wants to run into, and what makes good clients wait for the answer to what they sent before a fault. */
export const ENVIRONMENT = {
  DEMO_PORT: 'off',
  AUTHORIZATIONS_PER_MINUTE: '1000000',
  RATE_LIMIT_ADDRESS: 'off',
  RATE_LIMIT_API: 'off',
  RATE_LIMIT_TOKEN: 'off',
  RATE_LIMIT_LOGIN: 'off',
  REFRESH_REUSE_SECONDS: '60',
}

export async function startFaultRig(
  t: Teardown,
  { instances = 2, ...environment }: { instances?: number; [name: string]: string | number } = {},
): Promise<FaultRig> {
  // prettier-ignore
  const log = createLogger({ level: 'silent' })
  const directory = join(scratch(t), 'pg')
  const cluster = await startEmbedded({ directory, log })
  t.teardown(() => cluster.release())
  const network = await startNetwork(t, cluster.url)
  const db = await connectDatabase({ url: cluster.url, dataDirectory: '', poolMax: 2, log })
  t.teardown(() => db.close())
  const ports = await Promise.all(Array.from({ length: instances }, () => freePort()))
  const issuer = `http://localhost:${ports[0]}`
  const shared = { ...ENVIRONMENT, DATABASE_POOL_MAX: '4', ISSUER: issuer, DATABASE_URL: network.url, MASTER_KEY: newMasterKey(), ...environment } // prettier-ignore
  const logs: Record<string, unknown>[][] = []
  const launch = async (index: number) => {
    const server = await startProcess(t, { ...shared, PORT: String(ports[index]) })
    logs.push(server.logs)
    return server
  }
  const servers = [await launch(0)]
  servers.push(...(await Promise.all(ports.slice(1).map((_, index) => launch(index + 1)))))
  const world = await buildWorld(db, { issuer, instances: servers.map(({ url }) => url) })
  return {
    world,
    db,
    network,
    servers,
    restart: async (index) => void (servers[index] = await launch(index)),
    errors: () => logs.flat().filter(({ level }) => level === 'error' || level === 'fatal'),
    postmaster: () => postmasterOf(directory) ?? -1,
  }
}

export async function buildWorld(db: Database, at: Pick<World, 'issuer' | 'instances'>): Promise<World> {
  await buildResource(db)
  const { value: apiKey } = await createApiKey(db.knex, { name: 'Load', scopes: managementScopes, actor: 'test' })
  const [service, web] = [await buildClient(db, { kind: 'service' }), await buildClient(db, { firstParty: true })]
  const person = await buildUser(db)
  const browsers = Array.from({ length: BROWSERS }, () => new Visitor(at.issuer, [...at.instances]))
  for (const browser of browsers) await browser.authorize(web, person)
  return { ...at, service, web, person, browsers, apiKey }
}
