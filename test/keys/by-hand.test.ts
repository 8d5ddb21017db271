import test from 'ava'
import { importJWK, jwtVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { presentKey } from '../../src/keys/present.ts'
import { listKeys } from '../../src/keys/queries.ts'
import { revokeKey } from '../../src/keys/revoke.ts'
import { rotateKeys } from '../../src/keys/rotate.ts'
import { turnKeysOver } from '../../src/keys/turn-over.ts'
import { testDatabase } from '../support/database.ts'
import {
  anotherHandle,
  eventsOf,
  keyOf,
  kidOf,
  masterKeys,
  oneAlg,
  quick,
  pass,
  policy,
  sign,
  startRing,
  until,
} from './fixture.ts'

const options = { policy: quick, masterKeys, actor: 'cli' }

test('a rotation by hand before the next key is known to all changes nothing and says when it will be possible', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy: quick, masterKeys })
  const [current, next] = [await keyOf(db, 'current'), await keyOf(db, 'next')]
  const possibleAt = new Date(next!.publishedAt.getTime() + quick.publishSeconds * 1000)
  t.deepEqual(await rotateKeys(db, options), [{ alg: 'ES256', rotated: false, kid: current!.kid, possibleAt }])
  t.is((await keyOf(db, 'current'))?.kid, current?.kid)
})

test('a rotation by hand promotes a next key that is known to all, whatever the age of the current one', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy: quick, masterKeys })
  await pass(db, quick.publishSeconds)
  const [current, next] = [await keyOf(db, 'current'), await keyOf(db, 'next')]
  t.deepEqual(await rotateKeys(db, options), [{ alg: 'ES256', rotated: true, kid: next!.kid, retired: current!.kid }])
  t.is((await keyOf(db, 'previous'))?.kid, current?.kid)
  const actors = await db.knex('events').where({ subject: current!.kid, type: 'key.retired' }).pluck<string[]>('actor')
  t.deepEqual(actors, ['cli'])
})

test('of two operators who rotate at once, one does and the other is told when it can be done again', async (t) => {
  const db = await testDatabase(t)
  const other = await anotherHandle(t, db.url)
  await turnKeysOver(db, { policy: quick, masterKeys })
  await pass(db, quick.publishSeconds)
  const next = await keyOf(db, 'next')
  const results = (await Promise.all([rotateKeys(db, options), rotateKeys(other, options)])).flat()
  t.is(results.length, 2)
  t.is(results.filter(({ rotated }) => rotated).length, 1)
  t.is((await keyOf(db, 'current'))?.kid, next?.kid)
  t.is((await listKeys(db.knex)).length, 3)
})

test('an emergency rotation does not wait, and touches only the algorithm asked for', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy, masterKeys })
  const next = await keyOf(db, 'next', 'ES256')
  const [rotation, ...others] = await rotateKeys(db, { ...options, policy, alg: 'ES256', emergency: true })
  t.like(rotation, { alg: 'ES256', rotated: true, kid: next!.kid })
  t.deepEqual(others, [])
  t.deepEqual(
    (await listKeys(db.knex)).filter(({ state }) => state === 'previous').map(({ alg }) => alg),
    ['ES256'],
  )
})

test('a rotation of an algorithm without keys is refused', async (t) => {
  const db = await testDatabase(t)
  await t.throwsAsync(rotateKeys(db, { ...options, alg: 'RS256' }), { instanceOf: RangeError, message: /ES256/ })
})

test('a revoked current key leaves the JWKS of every instance at once, and the next one signs', async (t) => {
  const db = await testDatabase(t)
  const ring = await startRing(t, await anotherHandle(t, db.url), oneAlg)
  const token = await sign(ring.current())
  const [current, next] = [await keyOf(db, 'current'), await keyOf(db, 'next')]

  const revocation = await revokeKey(db, { ...options, policy: oneAlg, kid: current!.kid })

  t.like(revocation, { kid: current!.kid, alg: 'RS256', state: 'current', signer: next!.kid })
  t.true(revocation!.consequences.some((sentence) => sentence.includes('logout')))
  await until(() => ring.current().signers.RS256 === next!.kid)
  t.is(kidOf(await sign(ring.current())), next!.kid)
  const jwks = ring.current().publicJwks as JSONWebKeySet
  t.deepEqual(
    jwks.keys.map(({ kid }) => kid),
    [next!.kid, (await keyOf(db, 'next'))!.kid],
  )
  await t.throwsAsync(jwtVerify(token, createLocalJWKSet(jwks)), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
  t.deepEqual((await eventsOf(db)).slice(-3), [
    `key.revoked ${current!.kid}`,
    `key.activated ${next!.kid}`,
    `key.published ${(await keyOf(db, 'next'))!.kid}`,
  ])
})

test('a revocation tells until when caches accept the key, and until when they may refuse its successor', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy: quick, masterKeys })
  const [current, next] = [await keyOf(db, 'current'), await keyOf(db, 'next')]
  const before = Date.now()
  const revocation = await revokeKey(db, { ...options, kid: current!.kid })
  const accepted = revocation!.acceptedUntil.getTime() - before
  t.true(accepted >= 719_000 && accepted < 730_000, 'max-age and two polls')
  t.is(revocation!.refusedUntil?.getTime(), next!.publishedAt.getTime() + quick.publishSeconds * 1000)
  t.is(revocation!.consequences.length, 3)

  await pass(db, quick.publishSeconds)
  const second = await revokeKey(db, { ...options, kid: next!.kid })
  t.is(second?.refusedUntil, undefined, 'the next successor has been published for long')
})

test('a next or previous key can be revoked, a second revocation finds nothing', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy: quick, masterKeys })
  await pass(db, quick.rotationSeconds)
  await turnKeysOver(db, { policy: quick, masterKeys })
  const [current, next, previous] = [await keyOf(db, 'current'), await keyOf(db, 'next'), await keyOf(db, 'previous')]

  t.like(await revokeKey(db, { ...options, kid: previous!.kid }), { state: 'previous', signer: current!.kid })
  t.like(await revokeKey(db, { ...options, kid: next!.kid }), {
    state: 'next',
    signer: current!.kid,
    refusedUntil: undefined,
  })
  t.is(await revokeKey(db, { ...options, kid: next!.kid }), undefined)

  t.is((await keyOf(db, 'current'))?.kid, current?.kid)
  t.is(await keyOf(db, 'previous'), undefined)
  t.not((await keyOf(db, 'next'))?.kid, next?.kid)
})

test('of two who revoke the same key at once, one does: its successor stays', async (t) => {
  const db = await testDatabase(t)
  const other = await anotherHandle(t, db.url)
  await turnKeysOver(db, { policy: quick, masterKeys })
  const [current, next] = [await keyOf(db, 'current'), await keyOf(db, 'next')]
  const kid = current!.kid
  const results = await Promise.all([revokeKey(db, { ...options, kid }), revokeKey(other, { ...options, kid })])
  t.is(results.filter(Boolean).length, 1)
  t.is((await keyOf(db, 'current'))?.kid, next?.kid)
})

test('a key is presented with its state and times, and without its private half', async (t) => {
  const db = await testDatabase(t)
  await turnKeysOver(db, { policy, masterKeys })
  for (const key of await listKeys(db.knex)) {
    const view = presentKey(key)
    t.deepEqual(Object.keys(view), [
      'id',
      'kid',
      'alg',
      'state',
      'public_jwk',
      'published_at',
      'activated_at',
      'retired_at',
    ])
    t.is(view.published_at, key.publishedAt.toISOString())
    t.is(view.activated_at === null, key.state === 'next')
    t.false('d' in view.public_jwk)
    await t.notThrowsAsync(importJWK(view.public_jwk))
  }
})
