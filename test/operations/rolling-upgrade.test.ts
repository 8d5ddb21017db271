/**
 * Two adjacent versions on one database. The version before this one is up when this one migrates underneath it, and both
 * answer behind one address until the older one is replaced.
 */
import { deepEqual } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { migrations } from '../../migrations/index.ts'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { migrateUp } from '../../src/database/migrate.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { fileTeardown } from '../races/pair.ts'
import { tell } from '../rig/rig.ts'
import { startAuthServer, type ServerProcess, type TestServer } from '../support/auth-server.ts'
import { emptyDatabaseUrl } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { skip } from '../support/skip.ts'
import { redeem, refresh, Visitor, type Answer, type Credentials, type TokenResponse } from '../support/visitor.ts'
import type { TestClient } from '../support/registry.ts'
import { checkOutPrevious, PREVIOUS } from './previous.ts'

/** What a later version might add. Of every kind, to the tables that change most, so that this test never has nothing to say. */
const NEWER = {
  name: '9999-newer',
  async up(knex: Database['knex']) {
    await knex.raw(`
      alter table refresh_tokens add column note text;
      alter table grants add column weight integer not null default 1;
      alter table sessions add column colour text not null default 'red';
      alter table users add column shoe_size integer;
      alter table artifacts add column traced boolean not null default false;
      create index users_by_shoe_size on users (shoe_size);
      create table shoes (owner text references users (id) on delete cascade)`)
    for (const table of ['clients', 'resources'].filter((name) => !PREVIOUS.fixedTables.includes(name))) {
      await knex.raw('alter table ?? add column badge text', [table])
    }
  },
  down: async () => undefined,
}

interface Upgrade {
  issuer: string
  /** Where the two listen. */
  older: string
  newer: string
  olderServer: ServerProcess
  newerServer: TestServer
  environment: Record<string, string>
  startOlder: (environment: Record<string, string>) => Promise<ServerProcess>
  client: TestClient
  person: Credentials & { id: string }
  apiKey: string
  /** Signed in at the older version before the upgrade: a code that is not redeemed yet, a family, and answers while it migrated. */
  code: Answer
  meanwhile: TokenResponse[]
  /** The family's newest refresh token. */
  family: string | undefined
}

const file = fileTeardown()
const log = createLogger({ level: 'silent' })
let impossible: string | undefined
let upgrade: Upgrade

test.before(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'previous-'))
  file.teardown(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  impossible = await checkOutPrevious(directory)
  if (impossible === undefined) upgrade = await beginUpgrade(directory)
})
test.after('neither version met an error of its own', () => {
  if (impossible !== undefined) return
  const logs = [...upgrade.olderServer.logs, ...upgrade.newerServer.logs]
  deepEqual(
    logs.filter(({ level }) => level === 'error' || level === 'fatal'),
    [],
  )
})
test.after.always(() => file.end())

function step(title: string, work: (t: ExecutionContext, upgrade: Upgrade) => Promise<void>): void {
  test.serial(title, async (t) => (impossible === undefined ? work(t, upgrade) : skip(t, impossible)))
}

async function beginUpgrade(directory: string): Promise<Upgrade> {
  const support = join(directory, 'test', 'support')
  const previous = {
    ...((await import(join(support, 'registry.ts'))) as typeof import('../support/registry.ts')),
    ...((await import(join(support, 'auth-server.ts'))) as typeof import('../support/auth-server.ts')),
    ...((await import(join(directory, 'src/registry/api-keys/create.ts'))) as {
      createApiKey: typeof import('../../src/registry/api-keys/create.ts').createApiKey
    }),
  }
  const [port, newerPort] = [await freePort(), await freePort()]
  const issuer = `http://localhost:${port}`
  const environment = {
    ISSUER: issuer,
    DATABASE_URL: await emptyDatabaseUrl(file),
    MASTER_KEY: newMasterKey(),
    DEMO_PORT: 'off',
    DATABASE_POOL_MAX: '4',
  }
  const startOlder = (overrides: Record<string, string>) =>
    previous.startProcess(file, { ...environment, PORT: String(port), ...overrides })
  const olderServer = await startOlder({})
  const { DATABASE_URL: url } = environment
  const db = await connectDatabase({ url, dataDirectory: '', poolMax: 3, log })
  file.teardown(() => db.close())
  await previous.buildResource(db)
  const client = await previous.buildClient(db, { kind: 'native' })
  const person = await previous.buildUser(db)
  const scopes = ['users:read', 'users:write', 'clients:read', 'events:read']
  const { value: apiKey } = await previous.createApiKey(db.knex, { name: 'Upgrade', scopes, actor: 'test' })

  const visitor = new Visitor(issuer, [olderServer.url])
  const authorize = () => visitor.authorize(client, person, { scope: 'openid offline_access', resource: API })
  const tokens = await redeem(issuer, client, await authorize())
  const code = await authorize()

  // This version migrates, and a later one after it, while the older one is busy.
  let isMigrating = true
  const busy = refreshWhile(() => isMigrating, { issuer, client, tokens })
  await migrateUp(db, log, [...migrations, NEWER])
  isMigrating = false
  const meanwhile = await busy

  const newerServer = await startAuthServer(file, { ...environment, PORT: String(newerPort) })
  const [older, newer] = [olderServer.url, `http://localhost:${newerPort}`]
  const servers = { issuer, older, newer, olderServer, newerServer, environment, startOlder }
  return { ...servers, client, person, apiKey, code, meanwhile, family: meanwhile.at(-1)?.body.refresh_token }
}

const API = 'https://api.example.com'

async function refreshWhile(
  isMeant: () => boolean,
  { issuer, client, tokens }: Pick<Upgrade, 'issuer' | 'client'> & { tokens: TokenResponse },
): Promise<TokenResponse[]> {
  const answers = [tokens]
  do {
    answers.push(await refresh(issuer, client, answers.at(-1)!.body.refresh_token))
    await delay(5)
  } while (isMeant())
  return answers
}

step('the older version answers while this one migrates', async (t, { meanwhile }) => {
  t.true(meanwhile.length > 1)
  t.deepEqual([...new Set(meanwhile.map(({ status }) => status))], [200])
})

step('this version starts on the schema of a later one that only added to it', async (t, { newerServer }) => {
  t.truthy(newerServer.logs.find(({ msg }) => /schema is newer than this version, which works/.test(String(msg))))
  t.is((await fetch(`${newerServer.issuer}/health/ready`)).status, 200)
})

step('a code of the older version is redeemed once, at the newer one', async (t, it) => {
  const { status, body } = await redeem(it.issuer, it.client, it.code, it.newer)
  t.is(status, 200)
  t.is((await tell(it, it.older, 'introspect', it.client, body.access_token)).active, true)
  t.is((await redeem(it.issuer, it.client, it.code, it.older)).body.error, 'invalid_grant')
})

step('a family goes on at both in turn, and a duplicate gets the same successor at either', async (t, it) => {
  let token = it.family
  for (let turn = 0; turn < 6; turn += 1) {
    const [here, there] = turn % 2 ? [it.older, it.newer] : [it.newer, it.older]
    const first = await refresh(it.issuer, it.client, token, {}, here)
    const duplicate = await refresh(it.issuer, it.client, token, {}, there)
    t.is(first.status, 200)
    t.is(duplicate.body.refresh_token, first.body.refresh_token)
    t.is((await tell(it, there, 'introspect', it.client, first.body.access_token)).active, true)
    token = first.body.refresh_token
  }
  it.family = token
})

for (const [title, end] of [
  ['the older version', 'older'],
  ['this version', 'newer'],
] as const) {
  step(`one sign-in may go back and forth; what is revoked at ${title} is dead at the other`, async (t, it) => {
    const { issuer, client } = it
    const instances = end === 'older' ? [it.newer, it.older] : [it.older, it.newer]
    const visitor = new Visitor(issuer, instances)
    const answer = await visitor.authorize(client, it.person, { scope: 'openid', resource: API })
    const { status, body } = await redeem(issuer, client, answer, it[end])
    t.is(status, 200)
    const other = end === 'older' ? it.newer : it.older
    t.is((await tell(it, it[end], 'revoke', client, body.refresh_token)).status, 200)
    t.is((await tell(it, other, 'introspect', client, body.access_token)).active, false)
    t.is((await refresh(issuer, client, body.refresh_token, {}, other)).body.error, 'invalid_grant')
  })
}

step('both publish the same keys', async (t, { issuer, older, newer }) => {
  const read = async (instance: string) => (await new Visitor(issuer, [instance]).request('/jwks')).json()
  t.deepEqual(await read(newer), await read(older))
})

step(
  'what one changes the other shows, with the same version of it, and the events of both are one list',
  async (t, it) => {
    const call = (instance: string, path: string, { method = 'GET', headers = {}, body }: Sending = {}) =>
      new Visitor(it.issuer, [instance]).request(`/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${it.apiKey}`, 'content-type': 'application/merge-patch+json', ...headers },
        ...(body && { body: JSON.stringify(body) }),
      })
    const path = `/users/${it.person.id}`
    for (const [here, there, name] of [
      [it.older, it.newer, 'Older'],
      [it.newer, it.older, 'Newer'],
    ] as const) {
      const etag = (await call(there, path)).headers.get('etag') ?? ''
      t.is((await call(here, path, { method: 'PATCH', headers: { 'if-match': etag }, body: { name } })).status, 200)
      const read = await call(there, path)
      t.like(await read.json(), { name })
      t.not(read.headers.get('etag'), etag)
      t.is(
        (await call(there, path, { method: 'PATCH', headers: { 'if-match': etag }, body: { name: 'No' } })).status,
        412,
      )
    }
    const latest = async (instance: string) => {
      const { data } = (await (await call(instance, '/events?limit=100&types=user.updated')).json()) as {
        data: unknown[]
      }
      return data.length
    }
    const counts = async () => [await latest(it.older), await latest(it.newer)]
    for (const end = Date.now() + 5000; `${await counts()}` !== '2,2' && Date.now() < end;) await delay(20)
    t.deepEqual(await counts(), [2, 2])
  },
)

interface Sending {
  method?: string
  headers?: Record<string, string>
  body?: object
}

step('a server of the older version that is started again says whether it can', async (t, { startOlder }) => {
  const starting = startOlder({ PORT: String(await freePort()) })
  if (PREVIOUS.startsOnNewer) await t.notThrowsAsync(starting)
  else await t.throwsAsync(starting, { message: /schema is newer than this version of Grantry/ })
})

step('when the older version is gone, this one goes on with everything', async (t, it) => {
  await it.olderServer.kill()
  const { status, body } = await refresh(it.issuer, it.client, it.family, {}, it.newer)
  t.is(status, 200)
  t.is((await tell(it, it.newer, 'introspect', it.client, body.access_token)).active, true)
})
