/**
 * Migration and key turn-over, which every process does by itself: two that come to them at the same moment, and one that is
 * killed in the middle.
 */
import test, { type ExecutionContext } from 'ava'
import { migrations } from '../../migrations/index.ts'
import type { Database } from '../../src/database/connect.ts'
import { migrationStatus } from '../../src/database/migrate.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { until } from '../races/pair.ts'
import { startAuthServer, startProcess, type TestServer } from '../support/auth-server.ts'
import { emptyDatabaseUrl, testDatabaseUrl } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { API, buildClient, buildResource } from '../support/registry.ts'
import { token, Visitor } from '../support/visitor.ts'
import { createBarrier } from './barrier.ts'
import { startDatabaseProxy, type DatabaseProxy, type Message } from './database-proxy.ts'
import { connectDirectly, DELAY_MS, isWhole, launch, startRig } from './rig.ts'

const ALGORITHMS = ['ES256', 'Ed25519', 'RS256']
const MIGRATION_LOCK = 'select pg_advisory_xact_lock($1)'
const isMigrationLock = (statement: string) => statement === MIGRATION_LOCK
const isKeyLock = (statement: string) => statement.includes('hashtextextended')

type Environment = Record<string, string>

async function environmentOf(url: string, more: Environment = {}): Promise<Environment> {
  const port = String(await freePort())
  const common = { DATABASE_URL: url, MASTER_KEY: newMasterKey(), DATABASE_POOL_MAX: '4', DEMO_PORT: 'off' }
  return { ...common, PORT: port, ISSUER: `http://localhost:${port}`, ...more }
}

test.serial(
  'two processes that start at once on an empty database: one migrates, one makes the keys, both serve',
  async (t) => {
    t.timeout(300_000)
    for (const order of isWhole ? [undefined, [0, 1], [1, 0]] : [[1, 0]]) {
      const url = await emptyDatabaseUrl(t)
      const proxies = [await startDatabaseProxy(t, url), await startDatabaseProxy(t, url)]
      const barriers = [createBarrier(isMigrationLock), createBarrier(isKeyLock)]
      for (const proxy of proxies) for (const barrier of barriers) proxy.hold(barrier)
      for (const proxy of proxies) proxy.delayMs = DELAY_MS / 4
      const environment = await environmentOf(url)
      const starting = Promise.all(
        proxies.map(async (proxy) =>
          startProcess(t, { ...environment, DATABASE_URL: proxy.url, PORT: String(await freePort()) }),
        ),
      )
      for (const barrier of barriers) {
        t.true(await barrier.arrived(2))
        await barrier.open(order)
      }
      const servers = await starting
      const db = await connectDirectly(t, url)
      await assertWhole(t, db, { previous: 0 })
      t.is((await db.knex('events').where({ type: 'key.published' })).length, 2 * ALGORITHMS.length)
      const errors = servers.flatMap(({ logs }) => logs).filter(({ level }) => level === 'error' || level === 'fatal')
      t.deepEqual(errors, [])
      const sets = await Promise.all(servers.map((server) => keyIds(server.url, environment.ISSUER!)))
      t.deepEqual(sets[0], sets[1])
      await Promise.all(servers.map((server) => server.kill()))
    }
  },
)

test.serial('killed in the middle of the first start: the next start goes on from there', async (t) => {
  t.timeout(1_800_000)
  const trial = await startWatched(t, await emptyDatabaseUrl(t))
  const points = pointsIn(trial.messages, {
    ordinary: ['create table users', 'insert into "schema_migrations"', 'insert into "signing_keys"'],
  })
  for (const messages of points) {
    const url = await emptyDatabaseUrl(t)
    const environment = await environmentOf(url)
    await killedAfter(t, environment, { messages })
    const server = await startAuthServer(t, environment)
    await assertWhole(t, server.db, { previous: 0 }, `after ${messages} of ${trial.messages.length}`)
    await assertSigns(t, server)
    await server.close()
  }
  t.log(`${points.length} kills within ${trial.messages.length} messages`)
})

test.serial(
  'two processes that come to a due turn-over at once: it happens once, and both sign by the new key',
  async (t) => {
    t.timeout(300_000)
    const rig = await startRig(t, { KEY_POLL_SECONDS: '1' })
    await buildResource(rig.db)
    const service = await buildClient(rig.db, { kind: 'service' })
    for (const [round, order] of (isWhole ? [[0, 1], [1, 0], undefined] : [[1, 0]]).entries()) {
      const before = await keyIds(rig.instances[0], rig.issuer)
      const barrier = createBarrier(isKeyLock)
      for (const { proxy } of rig.servers) proxy.hold(barrier)
      await makeDue(rig.db)
      t.true(await barrier.arrived(2))
      await barrier.open(order)
      await until(async () => (await activations(rig.db)) === (round + 2) * ALGORITHMS.length)
      await until(async () => (await keyIds(rig.instances[0], rig.issuer)).length > before.length)
      await until(async () => (await keyIds(rig.instances[1], rig.issuer)).length > before.length)
      await assertWhole(t, rig.db, { previous: round + 1 })
      const published = await keyIds(rig.instances[1], rig.issuer)
      t.true(
        before.every((kid) => published.includes(kid)),
        'nothing that verifies is gone',
      )
      t.deepEqual(published, await keyIds(rig.instances[0], rig.issuer))
      for (const instance of rig.instances) {
        const { body } = await token(rig.issuer, service, { grant_type: 'client_credentials', resource: API }, instance)
        const { kid } = JSON.parse(atob(body.access_token?.split('.')[0] ?? '')) as { kid: string }
        t.deepEqual(await rig.db.knex('signing_keys').where({ state: 'current', alg: 'RS256' }).pluck('kid'), [kid])
      }
    }
  },
)

test.serial('killed in the middle of a turn-over: wholly done or not at all, and the next start goes on', async (t) => {
  t.timeout(1_800_000)
  const url = await testDatabaseUrl(t)
  const environment = await environmentOf(url)
  const first = await startAuthServer(t, environment)
  await first.close()
  const db = await connectDirectly(t, url)
  await makeDue(db)
  const trial = await startWatched(t, url, environment, isKeyLock)
  const points = pointsIn(trial.messages, { ordinary: ['insert into "signing_keys"', 'pg_notify', 'COMMIT'] })
  let previous = 1
  for (const messages of points) {
    await makeDue(db)
    const where = `after ${messages} of ${trial.messages.length}`
    const isCommitted = trial.messages.slice(0, messages).some(({ statement }) => /^commit/i.test(statement))
    await killedAfter(t, environment, { messages, from: isKeyLock })
    await assertWhole(t, db, { previous: isCommitted ? previous + 1 : previous }, where)
    const server = await startAuthServer(t, environment)
    previous += 1
    await assertWhole(t, db, { previous }, where)
    await assertSigns(t, server)
    await server.close()
  }
  t.log(`${points.length} kills within ${trial.messages.length} messages`)
})

/** Every migration once, and of each algorithm one current key, one next, and so many previous ones. */
async function assertWhole(
  t: ExecutionContext,
  db: Database,
  { previous }: { previous: number },
  where?: string,
): Promise<void> {
  const state = await migrationStatus(db)
  t.deepEqual(
    state.map(({ name, appliedAt }) => [name, appliedAt !== null]),
    migrations.map(({ name }) => [name, true]),
    where,
  )
  const keys = await db.knex('signing_keys').orderBy(['alg', 'state']).select('alg', 'state')
  const wanted = ALGORITHMS.flatMap((alg) => [
    { alg, state: 'current' },
    { alg, state: 'next' },
    ...Array.from({ length: previous }, () => ({ alg, state: 'previous' })),
  ])
  t.deepEqual(keys, wanted, where)
}

async function assertSigns(t: ExecutionContext, server: TestServer): Promise<void> {
  const known = await server.db.knex('resources').where({ audience: API })
  if (known.length === 0) await buildResource(server.db)
  const service = await buildClient(server.db, { kind: 'service' })
  const { status, body } = await token(server.issuer, service, { grant_type: 'client_credentials', resource: API })
  t.is(status, 200, JSON.stringify(body))
}

/** As if the keys had been made forty days ago. */
async function makeDue({ knex }: Database): Promise<void> {
  await knex.raw(`
    update signing_keys set published_at = published_at - interval '40 days', activated_at = activated_at - interval '40 days'
    where state <> 'previous'`)
}

async function activations({ knex }: Database): Promise<number> {
  return (await knex('events').where({ type: 'key.activated' })).length
}

async function keyIds(instance: string, issuer: string): Promise<string[]> {
  const response = await new Visitor(issuer, [instance]).request('/jwks')
  return ((await response.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid).sort()
}

/** Starts a process to the end, and stops it. @returns what it said to the database, from a statement on */
async function startWatched(
  t: ExecutionContext,
  url: string,
  environment?: Environment,
  from: (statement: string) => boolean = () => true,
): Promise<{ messages: Message[] }> {
  const proxy = await startDatabaseProxy(t, url)
  const recording = proxy.record()
  const server = await startProcess(t, { ...(environment ?? (await environmentOf(url))), DATABASE_URL: proxy.url })
  const messages = recording.slice(recording.findIndex(({ statement }) => from(statement)))
  await server.kill()
  return { messages }
}

/** After which message to kill: after every one; in the ordinary run after the last of each statement named. */
function pointsIn(messages: Message[], { ordinary }: { ordinary: string[] }): number[] {
  if (isWhole) return messages.map((_, index) => index + 1)
  return ordinary.map((part) => messages.findLastIndex(({ statement }) => statement.includes(part)) + 1)
}

async function killedAfter(
  t: ExecutionContext,
  environment: Environment,
  when: { messages: number; from?: (statement: string) => boolean },
): Promise<void> {
  const proxy: DatabaseProxy = await startDatabaseProxy(t, environment.DATABASE_URL!)
  const victim = launch(t, { ...environment, DATABASE_URL: proxy.url })
  const death = proxy.killAfter({ ...when, answer: 'withheld', kill: () => victim.kill() })
  await death.done
}
