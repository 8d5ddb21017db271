import test from 'ava'
import { emptyDatabaseUrl, testDatabase } from '../support/database.ts'
import { operator } from './operator.ts'

test('signing keys are listed, rotated and revoked', async (t) => {
  const { json, run } = await operator(t)
  t.deepEqual(await json(['key', 'list']), [])
  await json(['key', 'rotate'])
  const keys: Record<string, string>[] = await json(['key', 'list'])
  t.is(keys.filter(({ state }) => state === 'current').length, 3)
  t.false(JSON.stringify(keys).includes('"d"'))

  const early = await run(['key', 'rotate', '--alg', 'ES256'])
  t.is(early.status, 1)
  t.regex(early.stderr, /^grantry: the next key is not published for long enough: .*--emergency.*\n$/)
  const [rotated] = await json(['key', 'rotate', '--alg', 'ES256', '--emergency'])
  t.like(rotated, {
    alg: 'ES256',
    rotated: true,
    retired: keys.find(({ alg, state }) => alg === 'ES256' && state === 'current')?.kid,
  })

  const revoked = await json(['key', 'revoke', rotated.kid])
  t.like(revoked, { kid: rotated.kid, alg: 'ES256', revoked: true, state: 'current' })
  const after: Record<string, string>[] = await json(['key', 'list'])
  t.false(after.some(({ kid }) => kid === rotated.kid))
  t.is((await run(['key', 'revoke', rotated.kid])).status, 1)
})

test('keys are not made with a master key that the servers do not have', async (t) => {
  const db = await testDatabase(t)
  const mine = await operator(t, db.url)
  const other = await operator(t, db.url)
  await mine.json(['key', 'rotate'])
  const { status, stderr } = await other.run(['key', 'rotate', '--emergency'])
  t.is(status, 1)
  t.regex(stderr, /^grantry: this database is sealed with master key .*\n$/)
})

test('events are listed by what they are about', async (t) => {
  const { json, run } = await operator(t)
  const { id: user } = await json(['user', 'create', '--username', 'alice'])
  const { id: client } = await json(['client', 'create', '--kind', 'service', '--name', 'Machine'])
  await json(['client', 'disable', client])
  const all = await json(['event', 'list'])
  t.deepEqual(
    all.map(({ type, actor }: Record<string, string>) => [type, actor]),
    [
      ['user.created', 'cli'],
      ['client.created', 'cli'],
      ['client.disabled', 'cli'],
    ],
  )
  t.deepEqual(await json(['event', 'list', '--user', user]), all.slice(0, 1))
  t.deepEqual(await json(['event', 'list', '--client', client]), all.slice(1))
  t.deepEqual(await json(['event', 'list', '--type', 'client.disabled']), all.slice(2))
  t.deepEqual(await json(['event', 'list', '--limit', '1']), all.slice(2))
  t.deepEqual(await json(['event', 'list', '--type', 'client.*']), all.slice(1))
  t.deepEqual(await json(['event', 'list', '--channel', 'users']), all.slice(0, 1))
  t.deepEqual(await json(['event', 'list', '--channel', 'users', '--type', 'client.*']), [])
  t.is((await run(['event', 'list', '--type', 'user.made'])).status, 1)
  t.regex((await run(['event', 'list'])).stdout, /^CURSOR +ID +AT +TYPE +ACTOR +SUBJECT +DATA\n/)
})

test('the schema goes up and down, and status says where it is', async (t) => {
  const { json, run } = await operator(t, await emptyDatabaseUrl(t))
  const states = async () => new Set((await json(['migrate', 'status'])).map(({ state }: { state: string }) => state))
  t.deepEqual(await states(), new Set(['pending']))
  const { applied } = await json(['migrate', 'up'])
  t.true(applied.length > 0)
  t.deepEqual(await states(), new Set(['applied']))
  t.deepEqual(await json(['migrate', 'up']), { applied: [] })
  t.deepEqual(await json(['migrate', 'down']), { reverted: applied.slice(-1) })

  // Half a schema is for `migrate up` to mend, not for whoever lists clients.
  const { status, stderr } = await run(['client', 'list'])
  t.is(status, 1)
  t.regex(stderr, /^grantry: .*run "grantry migrate up"\n$/)
  t.deepEqual(await json(['migrate', 'up']), { applied: applied.slice(-1) })
})

test('on a fresh database the first command makes the schema', async (t) => {
  const { json } = await operator(t, await emptyDatabaseUrl(t))
  t.deepEqual(await json(['user', 'list']), [])
})

test('a schema newer than the code is left alone', async (t) => {
  const db = await testDatabase(t)
  await db.knex('schema_migrations').insert({ name: '9999-future' })
  const { run } = await operator(t, db.url)
  const { status, stderr } = await run(['user', 'list'])
  t.is(status, 1)
  t.regex(stderr, /^grantry: .*newer than this version.*\n$/)
})
