import { connectionsOf } from '../workers/connections.ts'
import type { Examination, Finding } from './finding.ts'

const MOST_DRIFT_MS = 2000

interface Settings {
  version: string
  encoding: string
  fsync: string
  synchronous_commit: string
  max_connections: number
  superuser: boolean
  ssl: boolean
  local: boolean
}

const SETTINGS = `
  select current_setting('server_version') as version, current_setting('server_encoding') as encoding,
    current_setting('fsync') as fsync, current_setting('synchronous_commit') as synchronous_commit,
    current_setting('max_connections')::integer as max_connections,
    (select rolsuper from pg_roles where rolname = current_user) as superuser,
    coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as ssl,
    inet_server_addr() is null or inet_client_addr() <<= '127.0.0.0/8'::inet or inet_client_addr() = '::1' as local`

/** Whether the database keeps what it is given, and can be reached by as many instances as are wanted. */
export async function checkDatabase({ config, db }: Examination): Promise<Finding[]> {
  const { rows } = await db.pool.query<Settings>(SETTINGS)
  const settings = rows[0]!
  const check = 'database'
  const findings: Finding[] = [{ check, status: 'ok', detail: `PostgreSQL ${settings.version} answers` }]
  if (settings.encoding !== 'UTF8') {
    const mend = 'create the database with encoding UTF8 and move the data there'
    findings.push({ check, status: 'fail', detail: `its encoding is ${settings.encoding}`, mend })
  }
  if (settings.fsync !== 'on') {
    const detail = 'fsync is off: a power cut can bring used tokens back to life or lose everything'
    findings.push({ check, status: 'fail', detail, mend: 'set fsync = on in postgresql.conf and reload' })
  }
  if (settings.synchronous_commit === 'off') {
    const detail = 'synchronous_commit is off: a crash forgets the last rotations, and clients lose their tokens'
    findings.push({ check, status: 'warn', detail, mend: 'set synchronous_commit = on' })
  }
  const wanted = connectionsOf(config)
  if (wanted * 2 > settings.max_connections) {
    const detail = `one instance may open ${wanted} of ${settings.max_connections} connections: no room for a second one during an upgrade`
    findings.push({
      check,
      status: 'warn',
      detail,
      mend: 'raise max_connections, or lower DATABASE_POOL_MAX or WEB_CONCURRENCY',
    })
  }
  if (config.production && settings.superuser) {
    const mend = 'give Grantry a role of its own that owns its database and nothing else'
    findings.push({ check, status: 'warn', detail: 'the role is a superuser', mend })
  }
  if (!settings.ssl && !settings.local) {
    const detail = 'the connection to the database is not encrypted'
    findings.push({
      check,
      status: config.production ? 'fail' : 'warn',
      detail,
      mend: 'add sslmode=verify-full to DATABASE_URL',
    })
  }
  return findings
}

/** Tokens are dated by this machine, windows counted by the database: the two must agree. */
export async function checkClock({ db }: Examination): Promise<Finding[]> {
  const before = Date.now()
  const { rows } = await db.pool.query<{ now: number }>('select extract(epoch from clock_timestamp()) * 1000 as now')
  const drift = Math.round(Number(rows[0]?.now) - (before + Date.now()) / 2)
  const check = 'clock'
  if (Math.abs(drift) <= MOST_DRIFT_MS) {
    return [{ check, status: 'ok', detail: `this machine and the database agree within ${Math.abs(drift)} ms` }]
  }
  const detail = `the database's clock is ${drift} ms ${drift > 0 ? 'ahead of' : 'behind'} this machine's`
  return [{ check, status: 'fail', detail, mend: 'let both follow an NTP server' }]
}
