/** What one installation is made of is killed under load: a worker, and the database that it started for itself. */
import { join } from 'node:path'
import test from 'ava'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { startEmbedded } from '../../src/database/embedded.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { startProcess, type ServerProcess } from '../support/auth-server.ts'
import { fileScope } from '../support/demo.ts'
import { isAlive, postmasterOf, scratch, until } from '../support/embedded.ts'
import { freePort } from '../support/free-port.ts'
import { buildWorld, ENVIRONMENT } from './rig.ts'
import { underLoad, type Site } from './under-load.ts'

const log = createLogger({ level: 'silent' })
const scope = fileScope()
let server: ServerProcess
let directory: string
let site: Site

test.before(async (t) => {
  t.timeout(120_000)
  const data = scratch(scope)
  directory = join(data, 'postgres')
  const port = String(await freePort())
  server = await startProcess(scope, { ...ENVIRONMENT, PORT: port, DATA_DIR: data, WEB_CONCURRENCY: '2', DATABASE_POOL_MAX: '4' }) // prettier-ignore
  const db = await connectAsGuest()
  scope.teardown(() => db.close())
  const issuer = `http://localhost:${port}`
  site = { world: await buildWorld(db, { issuer, instances: [issuer] }), db, errors: () => bugs() }
})
test.after.always(() => scope.end())

/** Asks where the embedded server is and leaves at once: this process does not keep it. */
async function connectAsGuest(): Promise<Database> {
  const joined = await startEmbedded({ directory, log })
  const db = await connectDatabase({ url: joined.url, dataDirectory: '', poolMax: 2, log })
  await joined.release()
  return db
}

/** A worker that died is an error of the supervisor's, as it should be. */
function bugs(): Record<string, unknown>[] {
  const isBad = ({ level, msg }: Record<string, unknown>) => (level === 'error' && msg !== 'a worker died and is replaced') || level === 'fatal' // prettier-ignore
  return server.logs.filter(isBad)
}

function workers(): number[] {
  const serving = server.logs.filter(({ msg }) => String(msg).startsWith('a worker serves'))
  return [...new Set(serving.map(({ pid }) => pid as number))].filter(isAlive)
}

const told = (what: string) => server.logs.filter(({ msg }) => msg === what).length

test.serial('a worker is killed', async (t) => {
  const replaced = told('a worker serves in the place of another')
  await underLoad(t, site, {
    name: 'kill -9 of one of two workers',
    prepare: () => until(() => workers().length === 2),
    inject: () => {
      const [pid] = workers()
      if (pid) process.kill(pid, 'SIGKILL')
    },
    lastsMs: 0,
    recoversMs: 5_000,
  })
  t.true(await until(() => told('a worker serves in the place of another') > replaced))
})

test.serial('the embedded PostgreSQL is killed: it is started again without anybody being asked', async (t) => {
  const before = postmasterOf(directory)
  await underLoad(t, site, {
    name: 'kill -9 of the embedded PostgreSQL',
    inject: () => {
      const pid = postmasterOf(directory)
      if (pid) process.kill(pid, 'SIGKILL')
    },
    lastsMs: 300,
    recoversMs: 15_000,
  })
  const after = postmasterOf(directory)
  t.true(after !== undefined && after !== before && isAlive(after))
  t.true(told('embedded PostgreSQL lost, starting or joining it again') > 0)
})
