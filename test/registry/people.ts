/** What the tests of users, consents, sessions and API keys have in common: people, apps, and rows as the protocol writes them. */
import { randomBytes } from 'node:crypto'
import type { Knex } from 'knex'
import { newId } from '../../src/lib/ids.ts'
import { createUser, type NewUser } from '../../src/registry/users/create.ts'
import { createPasswordHasher } from '../../src/registry/users/password.ts'
import type { User } from '../../src/registry/users/user.ts'

export const hasher = createPasswordHasher()
export const PASSWORD = 'lantern obstacle quiver marmalade'
export const OTHER_PASSWORD = 'thimble vestige orbit cucumber'

export async function person(db: Knex, given: Partial<NewUser> & { username: string }): Promise<User> {
  return createUser(db, { hasher }, { password: PASSWORD, actor: 'cli', ...given })
}

/** A client as its own noun would store it. @returns its id */
export async function app(db: Knex, kind: 'web' | 'spa' | 'native' = 'web', more: object = {}): Promise<string> {
  const id = newId('cli')
  await db('clients').insert({
    id,
    kind,
    name: `The ${kind} app`,
    token_endpoint_auth_method: kind === 'web' ? 'client_secret_basic' : 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [kind === 'native' ? 'com.example.app:/callback' : 'https://app.example.com/callback'],
    ...more,
  })
  return id
}

/** A resource server with scopes. @returns its id */
export async function api(db: Knex, audience: string, scopes: string[]): Promise<string> {
  const id = newId('res')
  await db('resources').insert({ id, audience, name: `API ${audience}` })
  for (const name of scopes) {
    await db('resource_scopes').insert({
      resource_id: id,
      name,
      description: `may ${name}`,
      description_de: `darf ${name}`,
    })
  }
  return id
}

/** A live session. @returns its uid */
export async function session(db: Knex, userId: string, more: object = {}): Promise<string> {
  const uid = randomBytes(16).toString('base64url')
  await db('sessions').insert({
    uid,
    id_digest: randomBytes(32),
    user_id: userId,
    payload: JSON.stringify({ accountId: userId }),
    signed_in_at: db.fn.now(),
    expires_at: db.raw(`now() + interval '1 day'`),
    ...more,
  })
  return uid
}

/** A grant with a refresh token in it: one token family. @returns the grant's id */
export async function family(db: Knex, userId: string, clientId: string, sessionUid?: string): Promise<string> {
  const id = randomBytes(16).toString('base64url')
  const until = db.raw(`now() + interval '1 day'`)
  await db('grants').insert({
    id,
    user_id: userId,
    client_id: clientId,
    session_uid: sessionUid ?? null,
    payload: '{}',
    expires_at: until,
  })
  await db('refresh_tokens').insert({ id_digest: randomBytes(32), grant_id: id, payload: '{}', expires_at: until })
  return id
}

export async function liveSessions(db: Knex, userId: string): Promise<string[]> {
  return db('sessions').where({ user_id: userId }).whereNull('ended_at').orderBy('uid').pluck('uid')
}

export async function families(db: Knex, userId: string): Promise<string[]> {
  return db('grants').where({ user_id: userId }).orderBy('id').pluck('id')
}

export interface RecordedEvent {
  type: string
  actor: string
  subject: string | null
  user_id: string | null
  client_id: string | null
  data: Record<string, unknown>
}

export async function events(db: Knex, type?: string): Promise<RecordedEvent[]> {
  const query = db('events').orderBy('id').select('type', 'actor', 'subject', 'user_id', 'client_id', 'data')
  return type ? query.where({ type }) : query
}

/** Until so many statements wait for a lock. Ask by a connection that is in no transaction: in one, the answer never changes. */
export async function waitingForLocks(db: Knex, count = 1): Promise<void> {
  for (;;) {
    const { rows } = await db.raw<{ rows: unknown[] }>(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    )
    if (rows.length >= count) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
