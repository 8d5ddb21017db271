/** The typed client against the management API of a real server. */
import { readFileSync } from 'node:fs'
import anyTest, { type TestFn } from 'ava'
import {
  createGrantryClient,
  CredentialsError,
  ProblemError,
  type GrantryClient,
  type NewUser,
} from '../../src/client/index.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { managementAudience } from '../../src/registry/management-scopes.ts'
import type { TestServer } from '../support/auth-server.ts'
import { startManagement } from '../support/management.ts'
import { buildClient, PASSWORD } from '../support/registry.ts'
import { currentOperationsModule, OPERATIONS_FILE } from './operations-module.ts'

const test = anyTest as TestFn<{ server: TestServer; client: GrantryClient }>
const ends: (() => unknown)[] = []

test.before(async (t) => {
  const { server } = await startManagement({ teardown: (end) => void ends.push(end) })
  const scopes = ['users:read', 'users:write', 'clients:read', 'clients:write', 'resources:read', 'resources:write']
  const { value } = await createApiKey(server.db.knex, { name: 'Test', scopes, actor: 'test' })
  t.context = { server, client: createGrantryClient({ issuer: server.issuer, credentials: { apiKey: value } }) }
})

test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

const person = (username: string): NewUser => ({ username, password: PASSWORD, name: `The ${username}` })

test('the operations and their types are those of the document', async (t) => {
  const written = readFileSync(OPERATIONS_FILE, 'utf8')
  t.true(written === (await currentOperationsModule(t)), 'run: node test/client/write.ts')
})

test('a user lives from create to delete; changes need the state that was read', async (t) => {
  const { client } = t.context
  const made = await client.createUser(person('alice'), { idempotencyKey: 'signup-of-alice' })
  t.deepEqual([made.status, made.replayed, made.body.username], [201, false, 'alice'])
  const again = await client.createUser(person('alice'), { idempotencyKey: 'signup-of-alice' })
  t.deepEqual([again.replayed, again.body.id], [true, made.body.id])

  const { id } = made.body
  const read = await client.readUser(id)
  t.is(await client.readUser(id, { known: read }), read)
  const changed = await client.updateUser(id, { name: 'Alice Example' }, { ifMatch: read.etag })
  t.is(changed.body.name, 'Alice Example')
  t.not(await client.readUser(id, { known: read }), read)

  const late = await t.throwsAsync(client.deleteUser(id, { ifMatch: read.etag }), { instanceOf: ProblemError })
  t.deepEqual([late.status, late.code, late.mayHaveSucceeded], [412, 'precondition-failed', false])
  t.is((await client.deleteUser(id, { ifMatch: changed.etag })).status, 204)
  const gone = await t.throwsAsync(client.readUser(id), { instanceOf: ProblemError })
  t.deepEqual([gone.status, gone.code], [404, 'not-found'])
  t.regex(gone.traceId ?? '', /^[0-9a-f]{32}$/)
})

test('a list is gone through page by page, with filters', async (t) => {
  const { client } = t.context
  const names = ['list1', 'list2', 'list3', 'list4', 'list5']
  for (const name of names) await client.createUser(person(name))
  const found: string[] = []
  for await (const { username } of client.listUsers({ q: 'list', limit: 2, sort: 'username' })) found.push(username)
  t.deepEqual(found, names)
  const numbered = []
  for await (const { items } of client.listUsers({ q: 'list', limit: 2, page: 1, disabled: false }).pages()) {
    numbered.push(items.length)
  }
  t.deepEqual(numbered, [2, 2, 1])
  const since = new Date(Date.now() + 3_600_000)
  t.deepEqual((await client.listUsers({ 'created_at[gte]': since }).page()).items, [])
})

test('what is wrong with an input is told entry by entry', async (t) => {
  const { client } = t.context
  const wrong = { username: 'x', password: PASSWORD, nickname: 'y' } as unknown as NewUser
  const error = await t.throwsAsync(client.createUser(wrong), { instanceOf: ProblemError })
  t.deepEqual([error.status, error.code], [400, 'invalid-request'])
  t.true(error.errors.some(({ pointer }) => pointer === '#/nickname'))
  const query = { query: { nonsense: '1' } }
  const refused = await t.throwsAsync(client.listUsers({}, query).page(), { instanceOf: ProblemError })
  t.true(refused.errors.some(({ parameter }) => parameter === 'nonsense'))
})

test('a service comes with its own credentials, finds the rest by itself, and may do what its scopes say', async (t) => {
  const { server } = t.context
  const access = [{ resource: managementAudience(server.issuer), scopes: ['users:read'] }]
  const { client_id: clientId, client_secret: clientSecret = '' } = await buildClient(server.db, {
    kind: 'service',
    access,
  })
  const credentials = { clientId, clientSecret, scope: 'users:read', resource: managementAudience(server.issuer) }
  const client = createGrantryClient({ issuer: server.issuer, credentials })
  t.true(Array.isArray((await client.listUsers().page()).items))
  const error = await t.throwsAsync(client.createUser(person('nobody')), { instanceOf: ProblemError })
  t.deepEqual([error.status, error.code], [403, 'insufficient-scope'])

  const wrong = { ...credentials, clientSecret: 'gcs_wrong' }
  const stranger = createGrantryClient({ issuer: server.issuer, credentials: wrong })
  const refused = await t.throwsAsync(stranger.listUsers().page(), { instanceOf: CredentialsError })
  t.is(refused.error, 'invalid_client')
})

test('every operation of the document is a method', async (t) => {
  const { server, client } = t.context
  const document = (await (await fetch(`${server.issuer}/api/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { operationId: string }>>
  }
  const ids = Object.values(document.paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
  t.true(ids.length > 30)
  t.deepEqual(
    ids.filter((id) => typeof client[id as keyof GrantryClient] !== 'function'),
    [],
  )
})
