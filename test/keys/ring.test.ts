import test from 'ava'
import { createKeyRing, type KeySet } from '../../src/keys/ring.ts'
import { turnKeysOver } from '../../src/keys/turn-over.ts'
import { newMasterKey, parseMasterKeys, SealError } from '../../src/lib/master-key.ts'
import { testDatabase } from '../support/database.ts'
import { anotherHandle, deaf, masterKeys, oneAlg, pass, quick, silent, startRing, until } from './fixture.ts'

test('a change on one instance reaches the others by notification, long before they poll', async (t) => {
  const db = await testDatabase(t)
  const ring = await startRing(t, await anotherHandle(t, db.url), oneAlg)
  const first = ring.current()
  const heard: KeySet[] = []
  ring.onChange((set) => void heard.push(set))

  await pass(db, oneAlg.rotationSeconds)
  await turnKeysOver(db, { policy: oneAlg, masterKeys })
  await until(() => heard.length > 0)

  t.is(heard.length, 1)
  t.is(heard[0], ring.current())
  t.not(ring.current().signers.RS256, first.signers.RS256)
  t.is(first.jwks.keys.length, 2, 'a set that someone holds stays as it was')
  t.is(ring.current().jwks.keys.length, 3)
})

test('who is told of changes can stop being told, and one who throws or rejects harms nobody', async (t) => {
  const db = await testDatabase(t)
  const ring = await startRing(t, deaf(db), oneAlg)
  const heard: string[] = []
  ring.onChange(() => {
    throw new Error('sync')
  })
  ring.onChange(async () => Promise.reject(new Error('async')))
  const stop = ring.onChange(() => void heard.push('stopped'))
  ring.onChange(() => void heard.push('told'))
  stop()

  await pass(db, oneAlg.rotationSeconds)
  await turnKeysOver(db, { policy: oneAlg, masterKeys })
  await ring.refresh()
  await ring.refresh()
  t.deepEqual(heard, ['told'], 'once, because the second read found the same keys')
})

test('what a ring hands out can not be changed', async (t) => {
  const { jwks, publicJwks } = (await startRing(t, await testDatabase(t), oneAlg)).current()
  t.throws(() => jwks.keys.push({ kty: 'RSA' }), { instanceOf: TypeError })
  t.throws(() => (jwks.keys[1]!.key_ops = ['sign']), { instanceOf: TypeError })
  t.throws(() => (publicJwks.keys[0]!.kid = 'other'), { instanceOf: TypeError })
})

test('a ring without its database goes on with the keys it knows, says how old they are, and recovers', async (t) => {
  const db = await testDatabase(t)
  const policy = { ...oneAlg, pollSeconds: 0.05 }
  let isAway = false
  const knex = new Proxy(db.knex, {
    get: (target, name, self) => {
      if (isAway) throw new Error('connection refused')
      return Reflect.get(target, name, self) as unknown
    },
    apply: (target, self, args) => {
      if (isAway) throw new Error('connection refused')
      return Reflect.apply(target, self, args) as unknown
    },
  })
  const ring = await startRing(t, deaf({ ...db, knex }), policy)
  const known = ring.current()

  isAway = true
  await t.notThrowsAsync(ring.refresh())
  await until(() => ring.staleSeconds() > 0.3)
  t.is(ring.current(), known)

  await pass(db, policy.rotationSeconds)
  isAway = false
  await until(() => ring.current() !== known)
  await until(() => ring.staleSeconds() < 0.3)
})

test('a closed ring polls and listens no more, and closing twice is no error', async (t) => {
  const db = await testDatabase(t)
  const ring = await createKeyRing({ db, policy: { ...oneAlg, pollSeconds: 0.02 }, masterKeys, log: silent })
  await Promise.all([ring.close(), ring.close()])
  await ring.close()
  const last = ring.current()
  await pass(db, oneAlg.rotationSeconds)
  await db.notify('grantry_keys')
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.is(ring.current(), last)
  t.deepEqual(await turnKeysOver(db, { policy: oneAlg, masterKeys }), { changed: true }, 'nobody else did it')
})

test('a refresh sees what was written before it was asked for, even while another is under way', async (t) => {
  const db = await testDatabase(t)
  const ring = await startRing(t, deaf(db), oneAlg)
  const first = ring.refresh()
  await pass(db, oneAlg.rotationSeconds)
  await turnKeysOver(db, { policy: oneAlg, masterKeys })
  await Promise.all([first, ring.refresh(), ring.refresh()])
  t.is(ring.current().jwks.keys.length, 3)
})

test('an unsound policy is refused before anything is made', async (t) => {
  const db = await testDatabase(t)
  const policy = { ...oneAlg, publishSeconds: 10 }
  await t.throwsAsync(createKeyRing({ db, policy, masterKeys, log: silent }), {
    instanceOf: RangeError,
    message: /KEY_PUBLISH_SECONDS, 10\) must exceed 720/,
  })
  t.deepEqual(await db.knex('signing_keys'), [])
})

test('a ring does not start on keys that it can not open', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy: quick, masterKeys })
  const others = parseMasterKeys(newMasterKey())
  await t.throwsAsync(createKeyRing({ db, policy: oneAlg, masterKeys: others, log: silent }), { instanceOf: SealError })
})
