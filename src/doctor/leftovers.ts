import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Examination, Finding } from './finding.ts'

const check = 'leftovers'

/** What development leaves behind must not stand in production: its passwords were printed on a terminal. */
export async function checkLeftovers({ config, db }: Examination): Promise<Finding[]> {
  if (!config.production) {
    return [
      { check, status: 'ok', detail: 'not looked for: this is development (set NODE_ENV=production on a real server)' },
    ]
  }
  const findings = [...files(config.dataDirectory), ...(await demoData(db)), ...(await looseClients(db))]
  return findings.length > 0 ? findings : [{ check, status: 'ok', detail: 'nothing of development is left' }]
}

function files(directory: string): Finding[] {
  return ['first-run.json', 'master.key']
    .map((name) => join(directory, name))
    .filter((path) => existsSync(path))
    .map((path) => ({ check, status: 'fail', detail: `${path} holds development secrets`, mend: `delete ${path}` }))
}

async function demoData({ knex }: Examination['db']): Promise<Finding[]> {
  const { rows } = await knex.raw<{ rows: { kind: string; id: string; name: string }[] }>(`
    with made as (select subject from events where actor = 'first-run')
    select 'user' as kind, id, username as name from users where id in (select subject from made) and disabled_at is null
    union all select 'client', id, name from clients where id in (select subject from made) and disabled_at is null
    union all select 'api-key', id, name from api_keys
      where id in (select subject from made) and revoked_at is null and (expires_at is null or expires_at > now())`)
  return rows.map(({ kind, id, name }) => ({
    check,
    status: 'fail',
    detail: `the demo's ${kind} ${JSON.stringify(name)} is live`,
    mend: `run: grantry ${kind} ${kind === 'api-key' ? 'revoke' : 'delete'} ${id}`,
  }))
}

async function looseClients({ knex }: Examination['db']): Promise<Finding[]> {
  const { rows } = await knex.raw<{ rows: { id: string; name: string; problem: string }[] }>(`
    select id, name, 'sends browsers to http://localhost' as problem from clients
    where kind in ('web', 'spa') and disabled_at is null
      and exists (select 1 from unnest(redirect_uris) as uri where uri like 'http://%')
    union all select id, name, 'has no secret that is still good' from clients
    where token_endpoint_auth_method like 'client_secret%' and disabled_at is null and not exists (
      select 1 from client_secrets where client_id = clients.id and (expires_at is null or expires_at > now()))`)
  return rows.map(({ id, name, problem }) => ({
    check: 'clients',
    status: 'warn',
    detail: `${JSON.stringify(name)} ${problem}`,
    mend: `see: grantry client show ${id}`,
  }))
}
