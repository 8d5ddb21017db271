import { spawn, type ChildProcess } from 'node:child_process'
import { on, once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createElection, type Leadership } from '../../src/database/election.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { administer, testDatabaseUrl } from '../support/database.ts'
import { until } from '../support/embedded.ts'

const log = createLogger({ level: 'silent' })
const CANDIDATE = join(import.meta.dirname, '..', 'support', 'candidate.ts')
const TAKEN_OVER_MS = 5_000

interface Instance {
  db: Database
  duty: Leadership
  /** Of each term: when it began, when its signal was aborted, and how many others were at work when it began. */
  terms: { began: number; ended?: number; beside: number }[]
  close(): Promise<void>
}

/** One of several on the same database, that is a candidate for `sweep`. */
async function instance(t: ExecutionContext, url: string, atWork = new Set<object>()): Promise<Instance> {
  const db = await connectDatabase({ url, dataDirectory: '', poolMax: 2, log })
  const election = createElection({ db, log })
  const terms: Instance['terms'] = []
  const me = {}
  const duty = election.lead('sweep', async (signal) => {
    const term: Instance['terms'][number] = { began: performance.now(), beside: atWork.size }
    terms.push(term)
    atWork.add(me)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    term.ended = performance.now()
    atWork.delete(me)
  })
  const close = async () => {
    await election.close()
    await db.close()
  }
  t.teardown(close)
  return { db, duty, terms, close }
}

const leaders = (instances: readonly Instance[]) => instances.filter(({ duty }) => duty.isLeader())

async function elected(instances: readonly Instance[]): Promise<Instance> {
  await until(() => leaders(instances).length > 0)
  return leaders(instances)[0]!
}

/** What PostgreSQL knows of the locks of the election in this database. */
async function holders({ pool }: Database): Promise<number[]> {
  const { rows } = await pool.query<{ pid: number }>(`
    select pid from pg_locks
    where locktype = 'advisory' and classid = 4740266 and granted
      and database = (select oid from pg_database where datname = current_database())`)
  return rows.map(({ pid }) => pid)
}

test('of three instances one works; who takes over does so at once when it stops, and never beside it', async (t) => {
  const url = await testDatabaseUrl(t)
  const atWork = new Set<object>()
  const all = await Promise.all([1, 2, 3].map(() => instance(t, url, atWork)))
  let instances = all
  for (let left = 3; left > 1; left -= 1) {
    const leader = await elected(instances)
    t.is(leaders(instances).length, 1)
    t.is((await holders(leader.db)).length, 1)
    instances = instances.filter((other) => other !== leader)
    const stopped = performance.now()
    await leader.duty.stop()
    t.false(leader.duty.isLeader())
    const successor = await elected(instances)
    // Told, and not found at the next turn a second later.
    t.true(successor.terms[0]!.began - stopped < 500, `${successor.terms[0]!.began - stopped} ms`)
  }
  const beside = all.flatMap(({ terms }) => terms.map((term) => term.beside))
  t.deepEqual(beside, [0, 0, 0])
})

test('a leader whose connection is lost stops at once; somebody leads within seconds, and one alone', async (t) => {
  const url = await testDatabaseUrl(t)
  const instances = await Promise.all([1, 2].map(() => instance(t, url)))
  const leader = await elected(instances)
  const [pid] = await holders(leader.db)
  const lost = performance.now()
  await administer(`select pg_terminate_backend(${pid})`)
  await until(() => leader.terms[0]!.ended !== undefined)
  t.true(leader.terms[0]!.ended! - lost < 500)
  const next = await elected(instances)
  t.true(next.terms.at(-1)!.began - lost < TAKEN_OVER_MS)
  t.is((await holders(leader.db)).length, 1)
})

test('after a restart of the database there is one leader again', async (t) => {
  const url = await testDatabaseUrl(t)
  const name = /\/(test_\w+)/.exec(url)![1]!
  const instances = await Promise.all([1, 2].map(() => instance(t, url)))
  await elected(instances)
  await administer(`alter database ${name} allow_connections false`)
  await administer(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
  await until(() => leaders(instances).length === 0)
  await administer(`alter database ${name} allow_connections true`)
  const back = performance.now()
  const leader = await elected(instances)
  t.true(leader.terms.at(-1)!.began - back < TAKEN_OVER_MS)
  t.is(leaders(instances).length, 1)
})

test('when the process of the leader is killed, another takes over within seconds', async (t) => {
  const url = await testDatabaseUrl(t)
  const first = await candidate(t, url)
  await first.says('elected')
  const second = await candidate(t, url)
  await second.says('candidate')
  const killed = performance.now()
  first.child.kill('SIGKILL')
  await second.says('elected')
  t.true(performance.now() - killed < TAKEN_OVER_MS, `${performance.now() - killed} ms`)
})

test('a leader that gets no answer gives up, though its connection looks whole', async (t) => {
  const url = await testDatabaseUrl(t)
  const { db, duty, terms } = await instance(t, url)
  await until(() => duty.isLeader())
  const [pid] = await holders(db)
  // Its session waits for a lock that nobody gives it, as if its packets were swallowed.
  const holder = await db.pool.connect()
  await holder.query('select pg_advisory_lock(1)')
  let isSent = false
  db.onSession((session) => {
    if (isSent) return
    isSent = true
    session.query('select pg_advisory_lock(1)', []).catch(() => undefined)
  })
  await until(() => terms[0]!.ended !== undefined)
  await holder.query('select pg_advisory_unlock(1)')
  holder.release()
  await until(() => duty.isLeader())
  t.notDeepEqual(await holders(db), [pid])
  t.is(terms.length, 2)
})

test('work that fails begins again, and what is stopped is not begun', async (t) => {
  const db = await connectDatabase({ url: await testDatabaseUrl(t), dataDirectory: '', poolMax: 2, log })
  t.teardown(() => db.close())
  const election = createElection({ db, log })
  let runs = 0
  const duty = election.lead('fails', async () => {
    runs += 1
    throw new Error('a fault')
  })
  t.throws(() => election.lead('fails', async () => undefined), { message: /already/ })
  const never = election.lead('stopped', async () => t.fail())
  await never.stop()
  await until(() => runs === 2)
  await duty.stop()
  await election.close()
  t.deepEqual(await holders(db), [])
})

async function candidate(
  t: ExecutionContext,
  url: string,
): Promise<{ child: ChildProcess; says: (line: string) => Promise<void> }> {
  const child = spawn(process.execPath, [CANDIDATE, url, 'sweep'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
  const lines: string[] = []
  const heard = createInterface({ input: child.stdout! })
  heard.on('line', (line) => lines.push(line))
  return {
    child,
    async says(line) {
      if (lines.includes(line)) return
      for await (const [said] of on(heard, 'line') as AsyncIterable<[string]>) if (said === line) return
    },
  }
}
