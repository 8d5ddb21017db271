/** Two processes that issue tokens as fast as they can, each with a memory of the client: neither outlives its end. */
import { deepEqual } from 'node:assert/strict'
import test from 'ava'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { buildClient, buildResource } from '../support/registry.ts'
import { token } from '../support/visitor.ts'
import { fileTeardown, internalErrors, startPair, until, type Pair } from './pair.ts'

const file = fileTeardown()
let pair: Pair

test.before(async () => {
  pair = await startPair(file, { RATE_LIMIT_TOKEN: 'off' })
  await buildResource(pair.db)
})
test.after('no request ended in an internal error', () => deepEqual(internalErrors(pair), []))
test.after.always(() => file.end())

test('a client that was disabled under load is refused by every instance from the commit on', async (t) => {
  const client = await buildClient(pair.db, { kind: 'service' })
  const outcomes = { issued: 0, refused: 0, late: 0 }
  let isOver = false
  /** Since when it is disabled: requests that began before may be answered either way. */
  let disabled = false
  const ask = async (instance: string) => {
    while (!isOver) {
      const mustFail = disabled
      const { status } = await token(pair.issuer, client, { grant_type: 'client_credentials' }, instance)
      outcomes[status === 200 ? 'issued' : 'refused'] += 1
      if (mustFail && disabled && status !== 401) outcomes.late += 1
    }
  }
  const asking = [0, 1, 2, 3, 4, 5].map((index) => ask(pair.instances[index % 2]!))
  for (let round = 0; round < 6; round += 1) {
    const issued = outcomes.issued
    await until(() => outcomes.issued > issued + 60)
    await disableClient(pair.db.knex, client.client_id, { actor: 'test' })
    disabled = true
    const refused = outcomes.refused
    await until(() => outcomes.refused > refused + 20)
    disabled = false
    await enableClient(pair.db.knex, client.client_id, { actor: 'test' })
  }
  isOver = true
  await Promise.all(asking)
  const { rows } = await pair.db.pool.query('select 1 from client_leases')
  t.is(rows.length, 1, 'leases were taken')
  t.is(outcomes.late, 0)
  t.log(outcomes)
})
