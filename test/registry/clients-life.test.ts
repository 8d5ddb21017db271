import { randomBytes } from 'node:crypto'
import anyTest, { type TestFn } from 'ava'
import type { Knex } from 'knex'
import type { Position } from '../../src/lib/keyset.ts'
import type { ClientDetails, ClientKind } from '../../src/registry/clients/client.ts'
import { createClient, type NewClient } from '../../src/registry/clients/create.ts'
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { deleteSecret } from '../../src/registry/clients/delete-secret.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { presentClient } from '../../src/registry/clients/present.ts'
import { findActiveClient } from '../../src/registry/clients/active.ts'
import { findClient, listClients, type ClientFilter } from '../../src/registry/clients/queries.ts'
import { rotateSecret } from '../../src/registry/clients/rotate-secret.ts'
import { verifyClientSecret } from '../../src/registry/clients/secret.ts'
import { updateClient } from '../../src/registry/clients/update.ts'
import { newId } from '../../src/lib/ids.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'
import { testDatabase, type TestDatabase } from '../support/database.ts'

interface Context {
  db: TestDatabase
}
const test = anyTest as TestFn<Context>
const actor = 'cli'
const endings: (() => unknown)[] = []
let database: TestDatabase

test.before(async () => {
  database = await testDatabase({ teardown: (ending) => void endings.unshift(ending) })
})
test.beforeEach((t) => {
  t.context.db = database
})
test.after.always(async () => {
  for (const ending of endings) await ending()
})

const AUDIENCE = 'https://orders.example.com'
let orders: Promise<unknown> | undefined

function ordersResource(db: Knex): Promise<unknown> {
  const scopes = ['orders:read', 'orders:write'].map((name) => ({ name, description: name, descriptionDe: null }))
  return (orders ??= createResource(db, { audience: AUDIENCE, name: 'Orders', scopes, actor }))
}

function newClient(kind: ClientKind, given: Partial<NewClient> = {}): NewClient {
  const redirectUris = kind === 'service' ? [] : ['https://app.example.com/callback']
  return { kind, name: `A ${kind} client`, redirectUris, actor, ...given }
}

async function eventsOf(db: Knex, clientId: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
  return db('events').where({ client_id: clientId }).orderBy('id').select('type', 'data')
}

async function addGrant(db: Knex, clientId: string): Promise<void> {
  const userId = newId('usr')
  await db('users').insert({ id: userId, username: userId })
  const expires_at = new Date(Date.now() + 60_000)
  await db('grants').insert({ id: newId('evt'), user_id: userId, client_id: clientId, payload: '{}', expires_at })
}

/** Of the kind that hangs on no grant. */
async function addOwnToken(db: Knex, clientId: string): Promise<void> {
  const row = { id_digest: randomBytes(32), model: 'ClientCredentials', client_id: clientId, payload: '{}' }
  await db('artifacts').insert({ ...row, expires_at: new Date(Date.now() + 60_000) })
}

async function grantsOf(db: Knex, clientId: string): Promise<number> {
  const rows = await db('grants').where({ client_id: clientId }).select('id')
  return rows.length
}

test('a confidential client gets a secret that is told once and kept as a digest', async (t) => {
  const { knex, pool } = t.context.db
  const { client, secret = '' } = await createClient(knex, newClient('web'))
  t.regex(secret, /^gcs_/)
  const active = await findActiveClient(pool, client.id)
  t.true(verifyClientSecret(active?.secrets ?? [], secret))
  t.false(verifyClientSecret(active?.secrets ?? [], `${secret.slice(0, -1)}x`))
  t.false(verifyClientSecret(active?.secrets ?? [], ''))
  t.false(verifyClientSecret([], secret))
  const stored = JSON.stringify([
    await knex('client_secrets').where({ client_id: client.id }),
    await eventsOf(knex, client.id),
  ])
  t.false(stored.includes(secret))
  t.is(presentClient(client).secrets?.[0]?.hint, secret.slice(-4))
  t.false(JSON.stringify(presentClient(client)).includes(secret))
  t.deepEqual(await eventsOf(knex, client.id), [{ type: 'client.created', data: { kind: 'web', first_party: false } }])
})

test('public clients have no secret', async (t) => {
  const { knex } = t.context.db
  for (const kind of ['spa', 'native'] as const) {
    const { client, secret } = await createClient(knex, newClient(kind))
    t.is(secret, undefined)
    t.is(client.tokenEndpointAuthMethod, 'none')
    await t.throwsAsync(rotateSecret(knex, { clientId: client.id, overlapSeconds: 0, actor }), {
      message: /has no secret/,
    })
  }
})

test('the database itself refuses none with client_credentials', async (t) => {
  const { knex } = t.context.db
  const { client } = await createClient(knex, newClient('spa'))
  const grant_types = ['authorization_code', 'client_credentials']
  await t.throwsAsync(knex('clients').where({ id: client.id }).update({ grant_types }), {
    message: /client_credentials_need_authentication/,
  })
})

test('a client may ask for exactly the scopes it was given', async (t) => {
  const { knex, pool } = t.context.db
  await ordersResource(knex)
  const access = [{ resource: `${AUDIENCE}/`, scopes: ['orders:read'] }]
  const { client } = await createClient(knex, newClient('service', { access }))
  const active = await findActiveClient(pool, client.id)
  t.like(active?.access, [{ audience: AUDIENCE, scopes: ['orders:read'], tokenFormat: 'jwt', signingAlg: 'RS256' }])
  t.like(active?.access, client.access)

  const both = await updateClient(
    knex,
    client.id,
    { access: [{ resource: AUDIENCE, scopes: ['orders:write', 'orders:read'] }] },
    { actor },
  )
  t.deepEqual(both.access[0]?.scopes, ['orders:read', 'orders:write'])
  const none = await updateClient(knex, client.id, { access: [] }, { actor })
  t.deepEqual(none.access, [])
})

for (const [title, access, message] of [
  ['an unknown resource', [{ resource: 'https://nobody.example', scopes: ['a'] }], /no resource/],
  ['an unknown resource id', [{ resource: newId('res'), scopes: ['a'] }], /no resource/],
  ['junk for a resource', [{ resource: '\0', scopes: ['a'] }], /no resource/],
  ['an unknown scope', [{ resource: AUDIENCE, scopes: ['orders:delete'] }], /no scope/],
  ['junk for a scope', [{ resource: AUDIENCE, scopes: ['\0'] }], /no scope/],
  ['no scope', [{ resource: AUDIENCE, scopes: [] }], /at least one/],
] as const) {
  test(`access to ${title} is refused and nothing is stored`, async (t) => {
    const { knex } = t.context.db
    await ordersResource(knex)
    const name = `wants ${title}`
    const error = await t.throwsAsync(createClient(knex, newClient('service', { name, access })), { message })
    t.like(error as RegistryError, { code: 'invalid', field: 'access' })
    t.deepEqual(await knex('clients').where({ name }), [])
  })
}

test('an update changes what is given, counts the version and says which fields changed', async (t) => {
  const { knex } = t.context.db
  const { client } = await createClient(knex, newClient('web'))
  const renamed = await updateClient(
    knex,
    client.id,
    { name: 'Other', redirectUris: ['https://b.example/'] },
    { actor },
  )
  t.like(renamed, { name: 'Other', redirectUris: ['https://b.example/'], version: 2, grantTypes: client.grantTypes })
  const same = await updateClient(knex, client.id, { name: ' Other ' }, { actor })
  t.is(same.version, 2)
  const events = await eventsOf(knex, client.id)
  t.deepEqual(events.slice(1), [{ type: 'client.updated', data: { fields: ['name', 'redirect_uris'] } }])
  await t.throwsAsync(updateClient(knex, client.id, { redirectUris: [] }, { actor }), { instanceOf: RegistryError })
})

test('who may skip consent is on record, both ways', async (t) => {
  const { knex } = t.context.db
  const { client } = await createClient(knex, newClient('web'))
  await updateClient(knex, client.id, { firstParty: true }, { actor })
  await updateClient(knex, client.id, { firstParty: false }, { actor })
  const facts = (await eventsOf(knex, client.id)).map(({ data }) => data.first_party)
  t.deepEqual(facts, [false, true, false])
})

test('of two changes made to the same version one is refused', async (t) => {
  const { knex } = t.context.db
  const { client } = await createClient(knex, newClient('web'))
  const results = await Promise.allSettled(
    ['One', 'Two'].map((name) => updateClient(knex, client.id, { name }, { actor, ifVersion: 1 })),
  )
  const [refused] = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
  t.is(results.filter(({ status }) => status === 'fulfilled').length, 1)
  t.like(refused?.reason, { code: 'conflict', field: 'version' })
})

test('an old secret works until its overlap ends, by the clock of the database', async (t) => {
  const { knex, pool } = t.context.db
  const { client, secret: first = '' } = await createClient(knex, newClient('web'))
  const { secret: second, client: rotated } = await rotateSecret(knex, {
    clientId: client.id,
    overlapSeconds: 60,
    actor,
  })
  const secretsNow = async () => (await findActiveClient(pool, client.id))?.secrets ?? []
  t.true(verifyClientSecret(await secretsNow(), first) && verifyClientSecret(await secretsNow(), second))
  t.is(rotated.secrets.length, 2)

  await knex('client_secrets')
    .whereNotNull('expires_at')
    .where({ client_id: client.id })
    .update({ expires_at: knex.fn.now() })
  t.false(verifyClientSecret(await secretsNow(), first))
  t.true(verifyClientSecret(await secretsNow(), second))
  t.is((await findClient(knex, client.id))?.secrets.length, 1)
})

test('without an overlap the old secret ends at once', async (t) => {
  const { knex, pool } = t.context.db
  const { client, secret: first = '' } = await createClient(knex, newClient('service'))
  const { secret: second } = await rotateSecret(knex, { clientId: client.id, overlapSeconds: 0, actor })
  const { secrets = [] } = (await findActiveClient(pool, client.id)) ?? {}
  t.is(secrets.length, 1)
  t.false(verifyClientSecret(secrets, first))
  t.true(verifyClientSecret(secrets, second))
})

test('rotating again ends the oldest secret at once, and gives the one before last its overlap', async (t) => {
  const { knex, pool } = t.context.db
  const { client, secret: first = '' } = await createClient(knex, newClient('web'))
  const { secret: second } = await rotateSecret(knex, { clientId: client.id, overlapSeconds: 3600, actor })
  const { client: after } = await rotateSecret(knex, { clientId: client.id, overlapSeconds: 30, actor })
  const { secrets = [] } = (await findActiveClient(pool, client.id)) ?? {}
  t.false(verifyClientSecret(secrets, first))
  t.true(verifyClientSecret(secrets, second))
  const expiry = after.secrets[0]?.expiresAt?.getTime() ?? 0
  t.true(expiry > Date.now() && expiry < Date.now() + 31_000)
  t.is(after.secrets[1]?.expiresAt, null)
})

test('the secret made last counts as the newest, even if its transaction began before another', async (t) => {
  const { knex, pool } = t.context.db
  const { client } = await createClient(knex, newClient('web'))
  const rotation = { clientId: client.id, overlapSeconds: 60, actor }
  const last = await knex.transaction(async (trx) => {
    await trx.raw('select now()')
    await rotateSecret(knex, rotation)
    return rotateSecret(trx, rotation)
  })
  await rotateSecret(knex, rotation)
  t.true(verifyClientSecret((await findActiveClient(pool, client.id))?.secrets ?? [], last.secret))
})

test('many rotations at once leave two live secrets, the last without an end', async (t) => {
  const { knex, pool } = t.context.db
  const { client, secret: first = '' } = await createClient(knex, newClient('web'))
  const rotations = await Promise.all(
    Array.from({ length: 4 }, () => rotateSecret(knex, { clientId: client.id, overlapSeconds: 60, actor })),
  )
  const { secrets = [] } = (await findActiveClient(pool, client.id)) ?? {}
  t.is(secrets.length, 2)
  t.is(secrets.filter(({ expiresAt }) => expiresAt === null).length, 1)
  t.false(verifyClientSecret(secrets, first))
  t.is(rotations.filter(({ secret }) => verifyClientSecret(secrets, secret)).length, 2)
})

for (const overlapSeconds of [-1, 0.5, Number.NaN, 31 * 86_400]) {
  test(`an overlap of ${overlapSeconds} seconds is refused`, async (t) => {
    const { knex } = t.context.db
    const { client } = await createClient(knex, newClient('web'))
    const error = await t.throwsAsync(rotateSecret(knex, { clientId: client.id, overlapSeconds, actor }))
    t.like(error as RegistryError, { code: 'invalid', field: 'overlap_seconds' })
  })
}

test('a disabled client is unknown to the token path, its grants are gone, and enabling revives nothing', async (t) => {
  const { knex, pool } = t.context.db
  const { client } = await createClient(knex, newClient('web'))
  await addGrant(knex, client.id)
  await addOwnToken(knex, client.id)
  const disabled = await disableClient(knex, client.id, { actor })
  t.true(disabled.disabledAt instanceof Date)
  t.is(await findActiveClient(pool, client.id), undefined)
  t.is(await grantsOf(knex, client.id), 0)
  t.deepEqual(await knex('artifacts').where({ client_id: client.id }), [])
  t.is((await disableClient(knex, client.id, { actor })).version, disabled.version)

  // A request that was under way may still write its grant, or a token without one.
  await addGrant(knex, client.id)
  await addOwnToken(knex, client.id)
  await enableClient(knex, client.id, { actor })
  t.is(await grantsOf(knex, client.id), 0)
  t.deepEqual(await knex('artifacts').where({ client_id: client.id }), [])
  t.not(await findActiveClient(pool, client.id), undefined)
  const facts = (await eventsOf(knex, client.id)).slice(1).map(({ type, data }) => [type, data.grants_revoked])
  t.deepEqual(facts, [
    ['client.disabled', 1],
    ['client.enabled', 1],
  ])
})

test('deleting a client takes everything with it', async (t) => {
  const { knex, pool } = t.context.db
  await ordersResource(knex)
  const access = [{ resource: AUDIENCE, scopes: ['orders:read'] }]
  const { client } = await createClient(knex, newClient('web', { access }))
  await addGrant(knex, client.id)
  await deleteClient(knex, client.id, { actor })
  t.is(await findClient(knex, client.id), undefined)
  t.is(await findActiveClient(pool, client.id), undefined)
  t.is(await grantsOf(knex, client.id), 0)
  t.deepEqual(await knex('client_secrets').where({ client_id: client.id }), [])
  t.is((await eventsOf(knex, client.id)).at(-1)?.type, 'client.deleted')
  await t.throwsAsync(deleteClient(knex, client.id, { actor }), { message: /no such client/ })
})

test('a client that is being deleted gets no new grant', async (t) => {
  const { knex } = t.context.db
  const { client } = await createClient(knex, newClient('web'))
  const results = await Promise.allSettled([deleteClient(knex, client.id, { actor }), addGrant(knex, client.id)])
  t.is(results[0].status, 'fulfilled')
  t.is(await grantsOf(knex, client.id), 0)
})

test('what is built in stays as it is', async (t) => {
  const { knex } = t.context.db
  const { client } = await createClient(knex, newClient('spa'))
  await knex('clients').where({ id: client.id }).update({ built_in: true })
  for (const attempt of [
    updateClient(knex, client.id, { name: 'Mine' }, { actor }),
    disableClient(knex, client.id, { actor }),
    deleteClient(knex, client.id, { actor }),
  ]) {
    t.like(await t.throwsAsync(attempt), { code: 'forbidden' })
  }
  t.not(await findActiveClient(t.context.db.pool, client.id), undefined)
})

test('what is no client id finds nothing', async (t) => {
  const { knex, pool } = t.context.db
  for (const id of ['', '\0', 'cli_', newId('cli'), newId('usr'), `${newId('cli')}'--`, '\ud800']) {
    t.is(await findClient(knex, id), undefined)
    t.is(await findActiveClient(pool, id), undefined)
    await t.throwsAsync(updateClient(knex, id, { name: 'x' }, { actor }), { message: /no such client/ })
  }
})

test('clients are listed page by page, each once, with their access and secrets, by what was asked for', async (t) => {
  const { knex } = t.context.db
  await ordersResource(knex)
  const access = [{ resource: AUDIENCE, scopes: ['orders:read'] }]
  const made = []
  for (const n of [1, 2, 3]) {
    const { client } = await createClient(knex, newClient('web', { name: `100% _listed_ ${n}`, access }))
    made.push(client)
  }
  const filter = { q: '% _LISTED_' }
  for (const by of ['created_at', 'updated_at', 'name']) {
    for (const descending of [true, false]) {
      const seen: ClientDetails[] = []
      let after: Position | undefined
      do {
        const page = await listClients(knex, { limit: 2, sorting: { by, descending }, after, filter })
        seen.push(...page.clients)
        after = page.next
      } while (after)
      t.deepEqual(seen, descending ? made.toReversed() : made)
    }
  }
  const sorting = { by: 'name', descending: false }
  const list = async (given: ClientFilter) => {
    const { clients, total } = await listClients(knex, {
      limit: 9,
      sorting,
      filter: { ...filter, ...given },
      wantsTotal: true,
    })
    t.is(total, clients.length)
    return clients.map(({ name }) => name.at(-1)).join('')
  }
  await disableClient(knex, made[1]!.id, { actor })
  t.is(await list({ disabled: true }), '2')
  t.is(await list({ disabled: false }), '13')
  t.is(await list({ kind: 'web', firstParty: false }), '123')
  t.is(await list({ kind: 'spa' }), '')
  t.is(await list({ q: made[2]!.id }), '3')
  t.is(await list({ created: { gte: '2020-01-01T00:00:00Z', lt: '2999-01-01T00:00:00.123456+02:00' } }), '123')
  t.is(await list({ created: { lt: made[0]!.createdAt.toISOString() } }), '')
  const last = await listClients(knex, { limit: 2, offset: 2, sorting, filter })
  t.deepEqual([last.clients.length, last.next], [1, undefined])
})

test('a secret that is deleted ends at once; the last one stays, whoever is faster', async (t) => {
  const { knex, pool } = t.context.db
  const { client, secret: first = '' } = await createClient(knex, newClient('service'))
  const clientId = client.id
  const { secret, secretId } = await rotateSecret(knex, { clientId, overlapSeconds: 600, actor })
  t.is((await findClient(knex, clientId))?.secrets.at(-1)?.id, secretId)
  const ids = [client.secrets[0]!.id, secretId]
  const other = await createClient(knex, newClient('service'))
  await t.throwsAsync(deleteSecret(knex, { clientId, secretId: other.client.secrets[0]!.id, actor }), {
    message: /no such secret/,
  })
  const attempts = await Promise.allSettled(ids.map((id) => deleteSecret(knex, { clientId, secretId: id, actor })))
  const refused = attempts.filter((attempt) => attempt.status === 'rejected')
  t.is(refused.length, 1)
  t.like(refused[0]?.reason, { code: 'conflict', field: 'secrets' })
  const active = await findActiveClient(pool, clientId)
  t.is([first, secret].filter((value) => verifyClientSecret(active?.secrets ?? [], value)).length, 1)
  t.deepEqual(
    (await eventsOf(knex, clientId)).map(({ type }) => type),
    ['client.created', 'client.secret_rotated', 'client.secret_deleted'],
  )
  t.is(active?.version, 3)
})

test('a guard sees the client under its lock, as it is and as it would be, and what it throws undoes all', async (t) => {
  const { knex } = t.context.db
  await ordersResource(knex)
  const access = [{ resource: AUDIENCE, scopes: ['orders:read'] }]
  const guard = ({ access: has }: ClientDetails) => {
    if (has.length > 0) throw new Error('not yours')
  }
  const refused = { message: 'not yours' }
  const name = 'Guarded creation'
  await t.throwsAsync(createClient(knex, newClient('service', { name, access, guard })), refused)
  t.deepEqual(await knex('clients').where({ name }), [])

  const { client: plain } = await createClient(knex, newClient('service', { guard }))
  await t.throwsAsync(updateClient(knex, plain.id, { access }, { actor, guard }), refused)
  t.deepEqual(await findClient(knex, plain.id), plain)

  const { client } = await createClient(knex, newClient('service', { access }))
  const clientId = client.id
  const secretId = client.secrets[0]!.id
  await t.throwsAsync(updateClient(knex, clientId, { access: [] }, { actor, guard }), refused)
  await t.throwsAsync(disableClient(knex, clientId, { actor, guard }), refused)
  await t.throwsAsync(enableClient(knex, clientId, { actor, guard }), refused)
  await t.throwsAsync(deleteClient(knex, clientId, { actor, guard }), refused)
  await t.throwsAsync(rotateSecret(knex, { clientId, overlapSeconds: 0, actor, guard }), refused)
  await t.throwsAsync(deleteSecret(knex, { clientId, secretId, actor, guard }), refused)
  t.deepEqual(await findClient(knex, clientId), client)
  t.is((await eventsOf(knex, clientId)).length, 1)
})
