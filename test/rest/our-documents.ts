/** The documents that our two APIs serve, read as anybody would. Nothing stands behind them: they are made of declarations. */
import Koa, { type Middleware } from 'koa'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createOrdersApi, type OrdersApiOptions } from '../../src/demo/api/api.ts'
import type { OpenApiDocument } from '../../src/http/api/openapi.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { createManagementApi, type ManagementDependencies } from '../../src/management/api.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import type { Teardown } from '../support/database.ts'

const log = createLogger({ level: 'silent' })
const nothing = {} as never

export async function managementDocument(t: Teardown, origin: string): Promise<OpenApiDocument> {
  const dependencies: ManagementDependencies = {
    issuer: origin,
    log,
    db: nothing,
    masterKeys: parseMasterKeys(newMasterKey()),
    keyPolicy: nothing,
    ring: nothing,
    hasher: nothing,
    authenticate: () => Promise.resolve(undefined),
    idempotency: nothing,
    feed: nothing,
    rights: nothing,
    rightsOf: nothing,
    allowPrivate: false,
    stopping: nothing,
  }
  return documentOf(t, [createManagementApi(dependencies)])
}

export async function ordersDocument(t: Teardown, origin: string): Promise<OpenApiDocument> {
  const options: OrdersApiOptions = {
    issuer: origin,
    url: 'https://orders.grantry.test',
    log,
    db: { knex: nothing, pool: nothing } as never,
    verifier: nothing,
    clientId: undefined,
    rateLimit: 'off',
    origins: [],
    events: nothing,
    stopping: nothing,
    cursorSecrets: [Buffer.alloc(32)],
  }
  return documentOf(t, createOrdersApi(options))
}

async function documentOf(t: Teardown, parts: readonly Middleware[]): Promise<OpenApiDocument> {
  const app = new Koa()
  for (const part of parts) app.use(part)
  const server = createServer((request, response) => void app.callback()(request, response))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.teardown(() => server.close())
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/openapi.json`)
  return (await answer.json()) as OpenApiDocument
}
