/** One server, one of everything on it, and a caller whose every answer is held against the document. */
import { randomUUID } from 'node:crypto'
import { createApiKey } from '../../../src/registry/api-keys/create.ts'
import { managementScopes } from '../../../src/registry/management-scopes.ts'
import { startAuthServer, type TestServer } from '../../support/auth-server.ts'
import type { Teardown } from '../../support/database.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../../support/registry.ts'
import { redeem, Visitor } from '../../support/visitor.ts'
import { createContract, type Answered, type Contract, type Plain } from './document.ts'

export interface Sending {
  /** Values of the path; those of the world unless given. */
  params?: Record<string, string>
  query?: Record<string, string>
  body?: unknown
  headers?: Record<string, string | undefined>
  /** Another method than the operation's. */
  method?: string
  /** The API key; null: none. */
  key?: string | null
}

export interface Reply extends Answered {
  body: Plain
}

export interface World {
  server: TestServer
  contract: Contract
  key: string
  /** An API key that lacks the scope of an operation. */
  powerless: (id: string) => string
  /** Ids by the names that paths have for them. */
  ids: Record<string, string>
  /** Whom these belong to. */
  person: Person
  app: TestClient
  /** What answers had that the document does not say. */
  faults: string[]
  send: (id: string, sending?: Sending) => Promise<Reply>
  /** The same, for answers that the document has no words for: with another method, or with chosen fields. */
  bare: (id: string, sending?: Sending) => Promise<Reply>
  /** Where an operation is, and who calls. */
  addressOf(id: string): { url: string; headers: Record<string, string> }
  /** Waits until the first attempt of every delivery of a webhook is made. */
  settled: (webhookId: string) => Promise<void>
  /** Signs the person in to the app once more. @returns ids of what is open now */
  open: (person: Person) => Promise<Record<string, string>>
}

type Person = Awaited<ReturnType<typeof buildUser>>

export async function startWorld(t: Teardown): Promise<World> {
  const off = 'off'
  const server = await startAuthServer(t, { RATE_LIMIT_ADDRESS: off, RATE_LIMIT_API: off, RATE_LIMIT_TOKEN: off })
  const { knex } = server.db
  await buildResource(server.db)
  const [document, all, one, other, app, person] = await Promise.all([
    fetch(`${server.issuer}/api/openapi.json`).then((answer) => answer.json() as Promise<Plain>),
    createApiKey(knex, { name: 'All', scopes: [...managementScopes], actor: 'test' }),
    createApiKey(knex, { name: 'One', scopes: ['users:read'], actor: 'test' }),
    createApiKey(knex, { name: 'Other', scopes: ['keys:read'], actor: 'test' }),
    buildClient(server.db, { name: 'The app' }),
    buildUser(server.db),
  ])
  const contract = createContract(document)
  const faults: string[] = []

  async function bare(id: string, sending: Sending = {}): Promise<Reply> {
    const { url, init } = requestOf(world, id, sending)
    const response = await fetch(url, init)
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    const body = (isJson && text !== '' ? JSON.parse(text) : text) as Plain
    return { status: response.status, headers: response.headers, body }
  }

  async function send(id: string, sending: Sending = {}): Promise<Reply> {
    const reply = await bare(id, sending)
    if (sending.method === undefined) faults.push(...contract.faults(id, reply))
    return reply
  }

  const addressOf = (id: string) => {
    const { url, init } = requestOf(world, id, {})
    return { url, headers: Object.fromEntries(init.headers) }
  }

  async function open(who: Person): Promise<Record<string, string>> {
    const visitor = new Visitor(server.issuer)
    const answer = await visitor.authorize(app, who, { scope: 'openid orders:read offline_access', resource: API })
    await redeem(server.issuer, app, answer)
    const params = { user_id: who.id }
    const [sessions, families] = await Promise.all([
      send('listUserSessions', { params }),
      send('listUserTokenFamilies', { params }),
    ])
    return {
      ...params,
      session_id: sessions.body.data[0].id as string,
      family_id: families.body.data[0].id as string,
      consent_id: app.client_id,
    }
  }

  async function settled(webhookId: string): Promise<void> {
    for (let tries = 0; tries < 200; tries += 1) {
      const { body } = await send('listWebhookDeliveries', { params: { webhook_id: webhookId } })
      if ((body.data as { attempts: number }[]).every(({ attempts }) => attempts > 0)) return
      await new Promise((later) => setTimeout(later, 25))
    }
    throw new Error('a delivery was not attempted within 5 s')
  }

  const world: World = {
    server,
    contract,
    key: all.value,
    powerless: (id) => (scopesOf(contract, id).includes('users:read') ? other.value : one.value),
    ids: {},
    person,
    app,
    faults,
    send,
    bare,
    addressOf,
    settled,
    open,
  }
  world.ids = { ...(await open(person)), ...(await oneOfEach(world)) }
  return world
}

function scopesOf({ operations }: Contract, id: string): string[] {
  const security = (operations.get(id)?.operation.security ?? []) as Record<string, string[]>[]
  return security.flatMap((scheme) => Object.values(scheme).flat())
}

async function oneOfEach({ send, settled }: World): Promise<Record<string, string>> {
  const resource = await send('createResource', {
    body: {
      audience: 'https://world.example.com',
      name: 'World',
      scopes: [{ name: 'world:read', description: 'See it' }],
    },
  })
  const client = await send('createClient', {
    body: { kind: 'web', name: 'World', redirect_uris: ['https://world.example.com/callback'] },
  })
  const apiKey = await send('createApiKey', { body: { name: 'World', scopes: ['users:read'] } })
  const webhook = await send('createWebhook', { body: { url: 'http://127.0.0.1:9/hooks', events: ['key.*'] } })
  const test = await send('testWebhook', { params: { webhook_id: webhook.body.id as string } })
  await settled(webhook.body.id as string)
  const [keys, events] = await Promise.all([
    send('listKeys', { query: { alg: 'RS256' } }),
    send('listAuditEvents', { query: { limit: '1' } }),
  ])
  return {
    resource_id: resource.body.id as string,
    client_id: client.body.id as string,
    secret_id: client.body.secrets[0].id as string,
    api_key_id: apiKey.body.id as string,
    webhook_id: webhook.body.id as string,
    delivery_id: test.body.id as string,
    kid: keys.body.data[0].kid as string,
    audit_event_id: events.body.data[0].id as string,
  }
}

function requestOf(world: World, id: string, { params = {}, query = {}, body, headers = {}, method, key }: Sending) {
  const described = world.contract.operations.get(id)
  if (!described) throw new Error(`the document has no operation ${id}`)
  const values: Record<string, string> = { ...world.ids, ...params }
  const path = described.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? `no-${name}`),
  )
  const search = new URLSearchParams(query).toString()
  const credential = key === undefined ? world.key : key
  const type = world.contract.example(id)?.type
  const all = {
    ...(credential !== null && { authorization: `Bearer ${credential}` }),
    ...(body !== undefined && type && { 'content-type': type }),
    ...headers,
  }
  const sent = Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined)
  return {
    url: `${world.server.issuer}/api${path}${search && `?${search}`}`,
    init: {
      method: method ?? described.method,
      headers: sent,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    },
  }
}

/** `{ 'if-match': … }` of what was read. */
export function ifMatch({ headers }: Answered): { 'if-match': string } {
  return { 'if-match': headers.get('etag') ?? '' }
}

/** A key for a request that is sent again. */
export function idempotencyKey(): { 'idempotency-key': string } {
  return { 'idempotency-key': `"${randomUUID()}"` }
}
