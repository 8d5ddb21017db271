/**
 * What a database costs that years have filled, over one that has been in use for days ("empty", with analysed tables).
 * Both servers run at the same time on one PostgreSQL and take turns, and the sweep is held back until all that is told: the bench has the lock that elects the sweeper.
 * Then the lock is let go, and latency is told again while rows are taken away.
 */
import pg from 'pg'
import type { Bench, Scenario, Verdict } from '../scenario.ts'
import { fill } from '../support/fill.ts'
import type { Grantry } from '../support/grantry.ts'
import { OPAQUE } from '../support/names.ts'
import { openSide, type Aim, type Stretch } from '../support/side.ts'
import { median } from '../support/statistics.ts'
import { appSettings } from '../support/subjects.ts'

/** Whose cost must not grow, and by how much it may. */
const OPERATIONS = { issue: 'an opaque token that is stored', refresh: 'a refresh rotation' }
type Operation = keyof typeof OPERATIONS
const NAMES = Object.keys(OPERATIONS) as Operation[]
const MOST_RATIO = 1.2
const LOAD = 0.4
/** Until the code is compiled, and the indexes are where they are wanted. */
const WARM_ROUNDS = 3
/** Below so many rows reading a table through is what the planner should do. */
const LARGE = 10_000

type Sides = Record<Operation, Awaited<ReturnType<typeof openSide>>>

type Round = Record<Operation, Record<'empty' | 'full', Stretch>>

export const scenario: Scenario = {
  name: 'bounded',
  title: 'Issue and refresh on a database full of expired rows, and while they are swept',
  async run(bench) {
    const rows = { expired: bench.options.rows, live: Math.ceil(bench.options.rows / 10) }
    const empty = await openSides(bench, await bench.startGrantry())
    const { database, server, release } = await startFull(bench, rows)
    const full = await openSides(bench, server)
    const before = await tableReads(database)
    const rounds = await takeTurns(bench, { empty, full })
    const costs = NAMES.map((name) => costOf(name, rounds))

    bench.say('at a fixed rate, then while the sweep is at it')
    const perSecond = ratesOf(rounds)
    const still = await open(bench, full, perSecond)
    const readThrough = (await tableReads(database)) - before
    await release()
    await sweepBegins(database)
    const [goneBefore, began] = [await gone(database), performance.now()]
    const swept = await open(bench, full, perSecond)
    const sweptPerSecond = ((await gone(database)) - goneBefore) / ((performance.now() - began) / 1000)

    const latencies = NAMES.flatMap((name) =>
      (['p50', 'p99'] as const).flatMap((part): [string, number][] => [
        [`${name}: ${part} at ${perSecond[name]} a second, ms`, still[name].latency[part]],
        [`${name}: ${part} during the sweep, ms`, swept[name].latency[part]],
      ]),
    )
    return {
      operation: 'issue, and refresh',
      figures: {
        'rows in artifacts': rows.expired + rows.live,
        ...Object.assign({}, ...costs.map(({ figures }) => figures)),
        ...Object.fromEntries(latencies),
        'rows swept in a second': sweptPerSecond,
      },
      verdicts: [
        ...costs.map(({ verdict }) => verdict),
        { what: 'rows of large tables read without an index', measured: readThrough, atMost: 0, unit: '' },
      ],
    }
  },
}

async function takeTurns(bench: Bench, { empty, full }: Record<'empty' | 'full', Sides>): Promise<Round[]> {
  const { options } = bench
  const all = { clients: options.clients, seconds: options.seconds }
  const both = async (name: Operation) => ({
    empty: await empty[name].stretch(all),
    full: await full[name].stretch(all),
  })
  const rounds: Round[] = []
  for (let round = -WARM_ROUNDS; round < options.rounds; round += 1) {
    bench.say(round < 0 ? 'warming up' : `round ${round + 1} of ${options.rounds}`)
    const measured = { issue: await both('issue'), refresh: await both('refresh') }
    if (round >= 0) rounds.push(measured)
  }
  return rounds
}

function costOf(name: Operation, rounds: readonly Round[]): { figures: Record<string, number>; verdict: Verdict } {
  const figures: Record<string, number> = {}
  for (const side of ['empty', 'full'] as const) {
    const each = (figure: 'serverCpu' | 'postgresCpu') =>
      median(rounds.map(({ [name]: { [side]: stretch } }) => stretch[figure] / stretch.operations))
    figures[`${name}, ${side}: server, µs`] = each('serverCpu')
    figures[`${name}, ${side}: PostgreSQL, µs`] = each('postgresCpu')
  }
  const measured = median(rounds.map(({ [name]: { empty, full } }) => cpuOf(full) / cpuOf(empty)))
  const what = `CPU of ${OPERATIONS[name]}, full over empty`
  return { figures, verdict: { what, measured, atMost: MOST_RATIO, unit: '×' } }
}

/** A part of what the full database can do. */
function ratesOf(rounds: readonly Round[]): Record<Operation, number> {
  const rate = (name: Operation) =>
    Math.floor(LOAD * median(rounds.map(({ [name]: { full } }) => full.operations / full.seconds)))
  return { issue: rate('issue'), refresh: rate('refresh') }
}

/** A server on a database with so many rows, where nothing is swept until `release`. */
async function startFull(bench: Bench, rows: { expired: number; live: number }) {
  const first = await bench.startGrantry()
  await first.close()
  const database = new pg.Client({ connectionString: first.databaseUrl })
  await database.connect()
  bench.after(() => database.end())
  await database.query(`select pg_advisory_lock(4740266, hashtext('sweep'))`)
  bench.say(`writing ${rows.expired} expired and ${rows.live} live rows`)
  await fill(first.databaseUrl, rows, first.seed)
  const server = await bench.startGrantry({ databaseUrl: first.databaseUrl })
  const release = () => database.query(`select pg_advisory_unlock(4740266, hashtext('sweep'))`)
  return { database, server, release }
}

function aims(bench: Bench): Record<Operation, Aim> {
  const { clients } = bench.options
  return {
    issue: {
      workload: 'client-credentials',
      settings: ({ issuer, seed: { service } }) => ({ issuer, service, audience: OPAQUE }),
    },
    refresh: {
      workload: 'refresh',
      settings: (server) => appSettings(bench, server),
      begin: (load) => load.run({ phase: 'prepare', clients }),
    },
  }
}

async function openSides(bench: Bench, server: Grantry): Promise<Sides> {
  const { issue, refresh } = aims(bench)
  return { issue: await openSide(bench, issue, server), refresh: await openSide(bench, refresh, server) }
}

/** CPU of server and PostgreSQL together, for each operation, µs. */
const cpuOf = ({ serverCpu, postgresCpu, operations }: Stretch) => (serverCpu + postgresCpu) / operations

async function open({ options }: Bench, sides: Sides, perSecond: Record<Operation, number>) {
  const ask = (name: Operation) =>
    sides[name].stretch({ clients: options.clients, seconds: 3 * options.seconds, perSecond: perSecond[name] })
  return { issue: await ask('issue'), refresh: await ask('refresh') }
}

/** Rows of large tables that were read by reading the table through. */
async function tableReads(database: pg.Client): Promise<number> {
  await database.query('select pg_stat_clear_snapshot()')
  const { rows } = await database.query<{ reads: string }>(
    `select coalesce(sum(seq_tup_read), 0) as reads from pg_stat_user_tables where n_live_tup + n_dead_tup > ${LARGE}`,
  )
  return Number(rows[0]!.reads)
}

async function gone(database: pg.Client): Promise<number> {
  await database.query('select pg_stat_clear_snapshot()')
  const { rows } = await database.query<{ gone: string }>('select sum(n_tup_del) as gone from pg_stat_user_tables')
  return Number(rows[0]!.gone)
}

async function sweepBegins(database: pg.Client): Promise<void> {
  for (const before = await gone(database); (await gone(database)) === before;) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
