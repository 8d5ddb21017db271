/**
 * The management API against its own document: every operation is called, and every answer, refusals among them, is held
 * against the OpenAPI document with a validator that the server does not use.
 */
import test from 'ava'
import { walk } from './contract/story.ts'
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
