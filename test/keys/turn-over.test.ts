import test from 'ava'
import { changeKeys, type Step } from '../../src/keys/key-change.ts'
import { listKeys, readKeys } from '../../src/keys/queries.ts'
import { signingAlgs } from '../../src/keys/signing-key.ts'
import { turnKeysOver } from '../../src/keys/turn-over.ts'
import { testDatabase } from '../support/database.ts'
import { anotherHandle, eventsOf, keyOf, masterKeys, quick, pass, policy, startRing } from './fixture.ts'

test.serial(
  'ten instances that start at once on an empty database agree on one current and one next key per algorithm',
  async (t) => {
    const db = await testDatabase(t)
    const handles = await Promise.all(Array.from({ length: 10 }, () => anotherHandle(t, db.url)))
    const rings = await Promise.all(handles.map((handle) => startRing(t, handle)))

    const keys = await listKeys(db.knex)
    t.deepEqual(
      keys.map(({ alg, state }) => `${alg} ${state}`).toSorted(),
      signingAlgs.flatMap((alg) => [`${alg} current`, `${alg} next`]).toSorted(),
    )
    for (const ring of rings) t.deepEqual(ring.current(), rings[0]!.current())
    const types = (await eventsOf(db)).map((event) => event.split(' ')[0])
    t.is(types.filter((type) => type === 'key.published').length, 6)
    t.is(types.filter((type) => type === 'key.activated').length, 3)
    t.is(types.length, 9)
  },
)

test('a turn-over that ten instances find due happens once, and is told once', async (t) => {
  const db = await testDatabase(t)
  const handles = [db, await anotherHandle(t, db.url), await anotherHandle(t, db.url)]
  await turnKeysOver(db, { policy: quick, masterKeys })
  const [current, next] = [await keyOf(db, 'current'), await keyOf(db, 'next')]
  await pass(db, quick.rotationSeconds)
  const earlier = await eventsOf(db)

  const results = await Promise.all(
    Array.from({ length: 10 }, (_, i) => turnKeysOver(handles[i % 3]!, { policy: quick, masterKeys })),
  )

  t.is(results.filter(({ changed }) => changed).length, 1)
  t.is((await keyOf(db, 'current'))?.kid, next?.kid)
  t.is((await keyOf(db, 'previous'))?.kid, current?.kid)
  const fresh = await keyOf(db, 'next')
  t.deepEqual((await eventsOf(db)).slice(earlier.length), [
    `key.retired ${current?.kid}`,
    `key.activated ${next?.kid}`,
    `key.published ${fresh?.kid}`,
  ])
})

test('a retired key is removed when its time is over', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy: quick, masterKeys })
  await pass(db, quick.rotationSeconds)
  await turnKeysOver(db, { policy: quick, masterKeys })
  const retired = await keyOf(db, 'previous')
  await pass(db, quick.retainSeconds)
  t.deepEqual(await turnKeysOver(db, { policy: quick, masterKeys }), { changed: false })
  await pass(db, 2 * quick.pollSeconds)
  t.deepEqual(await turnKeysOver(db, { policy: quick, masterKeys }), { changed: true })
  t.is(await keyOf(db, 'previous'), undefined)
  t.is((await eventsOf(db)).at(-1), `key.removed ${retired?.kid}`)
})

test('a turn-over that can not be told does not happen: keys, events and notification are one transaction', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy: quick, masterKeys })
  await pass(db, quick.rotationSeconds)
  const before = [await listKeys(db.knex), await eventsOf(db)]
  // Fails at the last of three events, when every key has been written already.
  await db.knex.raw(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no room'; end $$;
    create trigger refuse before insert on events for each row when (new.type = 'key.published') execute function refuse()
  `)
  await t.throwsAsync(turnKeysOver(db, { policy: quick, masterKeys }), { message: /no room/ })
  t.deepEqual([await listKeys(db.knex), await eventsOf(db)], before)

  await db.knex.raw('drop trigger refuse on events')
  t.deepEqual(await turnKeysOver(db, { policy: quick, masterKeys }), { changed: true })
})

test('keys that turn out to be needed only inside the lock are made outside of it', async (t) => {
  const db = await testDatabase(t)
  let asked = 0
  const publish = (as: 'current' | 'next'): Step => ({ do: 'publish', alg: 'ES256', as })
  const { after } = await changeKeys(db, {
    masterKeys,
    actor: 'system',
    plan: () => (++asked === 1 ? [publish('current')] : [publish('current'), publish('next')]),
  })
  t.is(asked, 4, 'a first attempt in vain, then one with both keys')
  t.is(after.length, 2)
})

test.serial('no private half is anywhere in the database in the clear', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy, masterKeys })
  const tables = await db.knex('pg_tables').where({ schemaname: 'public' }).pluck<string[]>('tablename')
  t.true(tables.includes('signing_keys') && tables.includes('events'))
  const dumps = await Promise.all(
    tables.map((table) => db.knex.raw('select ??.*::text as row from ??', [table, table])),
  )
  const dump = JSON.stringify(dumps.map(({ rows }: { rows: unknown }) => rows))

  const keys = await readKeys(db.knex, masterKeys)
  t.is(keys.length, 6)
  for (const { kid, privateJwk } of keys) {
    t.true(dump.includes(kid), 'the dump shows what is there')
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
      const value = privateJwk[secret]
      if (typeof value === 'string') t.false(dump.includes(value))
    }
  }
})

test('a public half that was exchanged in the database is not published', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy: quick, masterKeys })
  const own = await readKeys(db.knex, masterKeys)
  await db
    .knex('signing_keys')
    .update({ public_jwk: JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'mine', y: 'mine' }) })
  t.deepEqual(
    (await readKeys(db.knex, masterKeys)).map(({ publicJwk }) => publicJwk),
    own.map(({ publicJwk }) => publicJwk),
  )
})
