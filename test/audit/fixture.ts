/** Every verb that changes something, one after the other on the same things, and what the audit log must say of it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Knex } from 'knex'
import type { Database } from '../../src/database/connect.ts'
import { listAuditEntries, type AuditEntry } from '../../src/events/audit-queries.ts'
import { keyPolicyDefaults, type KeyPolicy } from '../../src/keys/key-policy.ts'
import { listKeys } from '../../src/keys/queries.ts'
import { revokeKey } from '../../src/keys/revoke.ts'
import { rewrapKeys } from '../../src/keys/rewrap.ts'
import { rotateKeys } from '../../src/keys/rotate.ts'
import { turnKeysOver } from '../../src/keys/turn-over.ts'
import type { Actor } from '../../src/lib/actor.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { createStorage } from '../../src/oidc/adapter/adapter.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { revokeApiKey } from '../../src/registry/api-keys/revoke.ts'
import { rotateApiKey } from '../../src/registry/api-keys/rotate.ts'
import { updateApiKey } from '../../src/registry/api-keys/update.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { deleteSecret } from '../../src/registry/clients/delete-secret.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { findClient } from '../../src/registry/clients/queries.ts'
import { rotateSecret } from '../../src/registry/clients/rotate-secret.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { grantConsent } from '../../src/registry/consents/grant.ts'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { createRegistrationToken } from '../../src/registry/registration-tokens/create.ts'
import { revokeRegistrationToken } from '../../src/registry/registration-tokens/revoke.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { deleteResource } from '../../src/registry/resources/delete.ts'
import { updateResource } from '../../src/registry/resources/update.ts'
import { endOtherSessions, endSession } from '../../src/registry/sessions/end.ts'
import { createUser } from '../../src/registry/users/create.ts'
import { deleteUser } from '../../src/registry/users/delete.ts'
import { disableUser, enableUser } from '../../src/registry/users/disable.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { updateUser } from '../../src/registry/users/update.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { family, hasher, OTHER_PASSWORD, PASSWORD, session } from '../registry/people.ts'

export const AUDIENCE = 'https://api.example.com'
export const policy: KeyPolicy = { ...keyPolicyDefaults, retainSeconds: 86_400, algorithms: ['ES256'] }
const SCOPES = ['orders:read', 'orders:write'].map((name) => ({ name, description: name, descriptionDe: null }))
const REDIRECT = 'https://app.example.com/callback'

/** All entries so far, oldest first. */
export async function entries(db: Knex, filter: { subject?: string; actor?: string } = {}): Promise<AuditEntry[]> {
  return listAuditEntries(db, { limit: 10_000, ...filter })
}

/** Everything in the database as text, a line for each row. */
export async function dump(db: Knex, without: string[] = []): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { name: string }[] }>(
    `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
  )
  const lines: string[] = []
  for (const { name } of rows.filter((table) => !without.includes(table.name))) {
    const table = await db.raw<{ rows: { line: string }[] }>('select t::text as line from ?? t order by 1', [name])
    lines.push(...table.rows.map(({ line }) => `${name} ${line}`))
  }
  return lines
}

export interface Verb {
  /** The actions that it records. */
  actions: string[]
  run: () => Promise<unknown>
  /** Makes what the verb works on, once, before it runs. */
  prepare: () => Promise<unknown>
}

export interface Verbs {
  verbs: Verb[]
  /** Every secret that the verbs have handled by now. */
  secrets: Set<string>
}

/** All verbs in an order in which each finds what it needs. A verb that fails may be run again. */
export function everyVerb(db: Database, actor: Actor): Verbs {
  const { knex } = db
  const secrets = new Set([PASSWORD, OTHER_PASSWORD])
  const [oldKey, newKey] = [newMasterKey(), newMasterKey()]
  for (const key of [oldKey, newKey]) secrets.add(key)
  const masterKeys = parseMasterKeys(oldKey)
  const storage = createStorage({
    pool: db.pool,
    masterKeys,
    issuer: 'https://issuer.example.com',
    log: createLogger({ level: 'silent' }),
    refreshReuseSeconds: 10,
  })
  let [userId, clientId, resourceId, apiKeyId, registrationTokenId, uid, grantId] = ['', '', '', '', '', '', '']
  const signIn = async () => (uid = await session(knex, userId))
  const grant = (scopes: string[]) =>
    knex.transaction((trx) =>
      grantConsent(trx, { userId, clientId, openid: ['openid'], resources: { [AUDIENCE]: scopes }, actor }),
    )
  const secretly = (secret: string | undefined): void => void secrets.add(secret ?? '')

  const verbs: [string | string[], () => Promise<unknown>, (() => Promise<unknown>)?][] = [
    [
      'user.create',
      async () => {
        const given = { username: 'ada', email: 'ada@example.com', name: 'Ada', password: PASSWORD, actor }
        userId = (await createUser(knex, { hasher }, given)).id
      },
    ],
    ['user.update', () => updateUser(knex, { userId, changes: { name: 'Lady Ada', roles: ['admin'] }, actor })],
    ['user.set_password', () => setPassword(knex, { hasher }, { userId, password: OTHER_PASSWORD, actor })],
    [
      'resource.create',
      async () => {
        const made = await createResource(knex, { audience: AUDIENCE, name: 'Orders', scopes: SCOPES, actor })
        resourceId = made.id
      },
    ],
    ['resource.update', () => updateResource(knex, resourceId, { name: 'All orders', accessTokenTtl: 60 }, { actor })],
    [
      'client.create',
      async () => {
        const access = [{ resource: AUDIENCE, scopes: ['orders:read'] }]
        const made = await createClient(knex, { kind: 'web', name: 'App', redirectUris: [REDIRECT], access, actor })
        clientId = made.client.id
        secretly(made.secret)
      },
    ],
    ['client.update', () => updateClient(knex, clientId, { access: [], firstParty: true }, { actor })],
    [
      'client.rotate_secret',
      async () => secretly((await rotateSecret(knex, { clientId, overlapSeconds: 60, actor })).secret),
    ],
    [
      'client.delete_secret',
      async () => deleteSecret(knex, { clientId, secretId: await oldestSecret(knex, clientId), actor }),
    ],
    ['client.disable', () => disableClient(knex, clientId, { actor })],
    ['client.enable', () => enableClient(knex, clientId, { actor })],
    ['consent.grant', () => grant(['orders:read'])],
    ['consent.grant', () => grant(['orders:write'])],
    ['consent.withdraw', () => withdrawConsent(knex, { userId, clientId, actor })],
    ['session.end', () => endSession(knex, { userId, uid, actor }), signIn],
    ['session.end', () => endOtherSessions(knex, { userId, actor }), signIn],
    ['session.end', () => storage.sessions.end(uid), signIn],
    [
      'grant.revoke',
      () => storage.families.revoke(grantId),
      async () => (grantId = await family(knex, userId, clientId)),
    ],
    [
      'api_key.create',
      async () => {
        const made = await createApiKey(knex, { name: 'Machine', scopes: ['users:read'], actor })
        apiKeyId = made.apiKey.id
        secretly(made.value)
      },
    ],
    ['api_key.update', () => updateApiKey(knex, { apiKeyId, changes: { name: 'Robot' }, actor })],
    ['api_key.rotate', async () => secretly((await rotateApiKey(knex, { apiKeyId, actor })).value)],
    ['api_key.revoke', () => revokeApiKey(knex, { apiKeyId, actor })],
    [
      'registration_token.create',
      async () => {
        const made = await createRegistrationToken(knex, { name: 'Partner', actor })
        registrationTokenId = made.token.id
        secretly(made.value)
      },
    ],
    ['registration_token.revoke', () => revokeRegistrationToken(knex, { id: registrationTokenId, actor })],
    [['key.publish', 'key.publish'], () => turnKeysOver(db, { policy, masterKeys })],
    [
      ['key.retire', 'key.activate', 'key.publish'],
      () => rotateKeys(db, { policy, masterKeys, actor, emergency: true }),
    ],
    [['key.revoke'], async () => revokeKey(db, { kid: await previousKey(knex), policy, masterKeys, actor })],
    ['master_key.rewrap', () => rewrapKeys(db, parseMasterKeys(`${newKey},${oldKey}`), actor)],
    ['user.disable', () => disableUser(knex, { userId, actor })],
    ['user.enable', () => enableUser(knex, { userId, actor })],
    ['client.delete', () => deleteClient(knex, clientId, { actor })],
    ['resource.delete', () => deleteResource(knex, resourceId, { actor })],
    ['user.delete', () => deleteUser(knex, { userId, actor })],
  ]
  const nothing = () => Promise.resolve()
  return {
    verbs: verbs.map(([actions, run, prepare = nothing]) => ({ actions: [actions].flat(), run, prepare })),
    secrets,
  }
}

async function oldestSecret(db: Knex, clientId: string): Promise<string> {
  return (await findClient(db, clientId))?.secrets[0]?.id ?? ''
}

async function previousKey(db: Knex): Promise<string> {
  return (await listKeys(db)).find(({ state }) => state === 'previous')?.kid ?? ''
}

/** The state that a thing is in after all its entries; throws where one does not begin where the last ended. */
export function replay(log: AuditEntry[]): Record<string, unknown> {
  const state: Record<string, unknown> = {}
  for (const [index, { id, action, before, after }] of log.entries()) {
    if (index > 0 && before === null) throw new Error(`${action} ${id}: there was something before`)
    for (const [name, value] of Object.entries(before ?? {})) {
      if (name in state && JSON.stringify(state[name]) !== JSON.stringify(value)) {
        throw new Error(`${action} ${id}: ${name} was ${JSON.stringify(state[name])}, not ${JSON.stringify(value)}`)
      }
    }
    Object.assign(state, after)
  }
  return state
}

/** Without what every change changes and what the entry says otherwise. */
export function settings(presented: object): Record<string, unknown> {
  const {
    id: _id,
    version: _version,
    created_at: _made,
    updated_at: _changed,
    ...rest
  } = presented as Record<string, unknown>
  return rest
}

/** Until something waits for an advisory lock in this database, or a second has passed. */
export async function waitingForAdvisoryLock(db: Knex): Promise<void> {
  const waiting = db('pg_stat_activity').where({ wait_event: 'advisory' }).whereRaw('datname = current_database()')
  for (let tries = 200; tries > 0 && (await waiting.clone()).length === 0; tries -= 1) await delay(5)
}
