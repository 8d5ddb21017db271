/**
 * The management API against its own document: every operation is called, and every answer, refusals among them, is held
 * against the OpenAPI document with a validator that the server does not use.
 */
import test from 'ava'
import { fc } from '../support/property.ts'
import { isNamed, violationsOf } from './contract/violations.ts'
import { walk } from './contract/story.ts'
import { matrix } from './contract/matrix.ts'
import { ELSEWHERE, SPECIAL, TABLE, USUAL, type Refusal } from './contract/refusals.ts'
import { startWorld, type World } from './contract/world.ts'

const ends: (() => unknown)[] = []
let world: World
test.before(async () => {
  world = await startWorld({ teardown: (end) => void ends.unshift(end) })
})
test.after.always(async () => {
  for (const end of ends) await end()
})

test.serial('every operation answers its examples as the document says, with each success that it names', async (t) => {
  await walk(t, world)
  t.deepEqual(world.faults, [])
  t.deepEqual(world.contract.unseen(), [])
})

test.serial('each operation refuses as the table says, with the problem that the document names', async (t) => {
  const cases: (Refusal & { id: string })[] = [
    ...Object.entries(TABLE).flatMap(([id, letters]) => letters.split('').map((letter) => ({ id, ...USUAL[letter]! }))),
    ...SPECIAL,
  ]
  const met = new Set<string>(ELSEWHERE)
  for (const { id, status, code, send } of cases) {
    const reply = await world.send(id, await send(world, id))
    met.add(`${id} ${status}`)
    t.deepEqual(
      [reply.status, String(reply.body.type).split('#')[1]],
      [status, code],
      `${id} ${code}: ${JSON.stringify(reply.body).slice(0, 300)}`,
    )
  }
  // What the document names and the table does not: nothing but what every request can meet.
  const named = [...world.contract.operations.values()].flatMap(({ id, operation }) =>
    Object.keys(operation.responses as object).map((status) => `${id} ${status}`),
  )
  const everywhere = /^\w+ (?:2\d\d|304|400|413|429|500|503)$/
  t.deepEqual(
    named.filter((pair) => !everywhere.test(pair) && !met.has(pair)),
    [],
  )
  t.deepEqual(world.faults, [])
})

test.serial(
  'what the schemas forbid is refused with a problem that names the place, whatever the operation',
  async (t) => {
    const before = world.faults.length
    for (const described of world.contract.operations.values()) {
      const { id } = described
      const headers = Object.hasOwn(described.operation.responses as object, '428') ? { 'if-match': '*' } : {}
      await fc.assert(
        fc.asyncProperty(violationsOf(world.contract, described), async (violation) => {
          const { query = {} } = violation
          // What is wrong with the query must not hide behind a missing body.
          const sent = 'body' in violation ? violation.body : world.contract.example(id)?.value
          const reply = await world.send(id, { query, headers, ...(sent !== undefined && { body: sent }) })
          const place = `${id} ${JSON.stringify(violation).slice(0, 200)}: ${JSON.stringify(reply.body).slice(0, 400)}`
          if (reply.status !== 400) throw new Error(`${reply.status} for ${place}`)
          if (!isNamed(reply.body.errors as [], violation)) throw new Error(`another place than ${place}`)
        }),
        { numRuns: 15 },
      )
    }
    t.deepEqual(world.faults.slice(before), [])
  },
)

test.serial('each convention holds on each resource where it applies', async (t) => {
  const before = world.faults.length
  const { text, failed } = await matrix(world)
  t.log(`shown: conventions by resource\n${text}`)
  t.deepEqual(failed, [])
  t.deepEqual(world.faults.slice(before), [])
})
