import test from 'ava'
import { checkMasterKey, MasterKeyError } from '../../src/keys/master-key-canary.ts'
import { readKeys } from '../../src/keys/queries.ts'
import { rewrapKeys } from '../../src/keys/rewrap.ts'
import { turnKeysOver } from '../../src/keys/turn-over.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { testDatabase } from '../support/database.ts'
import { anotherHandle, quick } from './fixture.ts'

const [oldKey, newKey] = [newMasterKey(), newMasterKey()]
const old = parseMasterKeys(oldKey)
const both = parseMasterKeys(`${newKey},${oldKey}`)
const fresh = parseMasterKeys(newKey)

test('a start with another master key is refused in one line that names the wanted key and how to give it', async (t) => {
  const db = await testDatabase(t)
  await checkMasterKey(db, old)
  await t.notThrowsAsync(checkMasterKey(db, old))
  const error = await t.throwsAsync(checkMasterKey(db, fresh), { instanceOf: MasterKeyError })
  t.is(
    error.message,
    `this database is sealed with master key ${old[0].id}, but MASTER_KEY holds ${fresh[0].id}: give the missing one as ` +
      'MASTER_KEY (several are separated by commas, the current one first, then the old ones)',
  )
  t.false(error.message.includes('\n'))
  await t.notThrowsAsync(checkMasterKey(db, both), 'the old key behind the new one is enough')
})

test('of first starts at once with two master keys, one is right and the others are refused', async (t) => {
  const db = await testDatabase(t)
  const other = await anotherHandle(t, db.url)
  const outcomes = await Promise.allSettled(
    [old, fresh, old, fresh].map((keys, index) => checkMasterKey(index < 2 ? db : other, keys)),
  )
  t.is(outcomes.filter(({ status }) => status === 'rejected').length, 2)
  t.is(outcomes[0]?.status, outcomes[2]?.status)
  t.is(outcomes[1]?.status, outcomes[3]?.status)
})

test('a master key that only some signing keys need is missed at start, too', async (t) => {
  const db = await testDatabase(t)
  await checkMasterKey(db, fresh)
  await turnKeysOver(db, { policy: quick, masterKeys: old })
  await t.throwsAsync(checkMasterKey(db, fresh), { message: new RegExp(`master key ${old[0].id}, but`) })
})

test('after re-wrapping the old master key can go, and no signing key has changed', async (t) => {
  const db = await testDatabase(t)
  await checkMasterKey(db, old)
  await turnKeysOver(db, { policy: quick, masterKeys: old })
  const keys = await readKeys(db.knex, old)

  t.deepEqual(await rewrapKeys(db, both), { keys: 2, webhooks: 0, canary: true })

  await t.notThrowsAsync(checkMasterKey(db, fresh))
  t.deepEqual(await readKeys(db.knex, fresh), keys)
  await t.throwsAsync(checkMasterKey(db, old), { instanceOf: MasterKeyError })
  t.deepEqual(await rewrapKeys(db, both), { keys: 0, webhooks: 0, canary: false })
})

test('re-wrapping without the old master key changes nothing', async (t) => {
  const db = await testDatabase(t)
  await checkMasterKey(db, old)
  await turnKeysOver(db, { policy: quick, masterKeys: old })
  await t.throwsAsync(rewrapKeys(db, fresh), { instanceOf: MasterKeyError })
  await t.notThrowsAsync(checkMasterKey(db, old))
  t.is((await readKeys(db.knex, old)).length, 2)
})
