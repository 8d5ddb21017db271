/** Sign-ins and hashes go on one after the other, some at once, and nobody waits for ever. */
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { createGate } from '../../src/registry/users/gate.ts'
import { HasherBusyError } from '../../src/registry/users/password.ts'

type Piece = ReturnType<typeof piece>
type Pieces = [Piece, Piece, Piece, Piece]

/** Work that ends when told. */
function piece(started: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  return { work: () => (started.push(name), promise), end: () => resolve(name), fail: () => reject(new Error(name)) }
}

test('so many are at it at once, the others in the order in which they came', async (t) => {
  const gate = createGate({ atOnce: 2 })
  const started: string[] = []
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => piece(started, name)) as Pieces
  const [first, second, ...later] = [a, b, c, d].map(({ work }) => gate(work))
  t.deepEqual(started, ['a', 'b'])
  b.end()
  t.is(await second, 'b')
  t.deepEqual(started, ['a', 'b', 'c'])
  a.fail()
  await t.throwsAsync(first!, { message: 'a' })
  t.deepEqual(started, ['a', 'b', 'c', 'd'], 'what fails leaves its place as well')
  c.end()
  d.end()
  t.deepEqual(await Promise.all(later), ['c', 'd'])
})

test('whoever finds the line full is turned away at once, who has waited too long then, and neither has begun', async (t) => {
  const gate = createGate({ atOnce: 1, maxQueue: 1, patienceMs: 20 })
  const started: string[] = []
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => piece(started, name)) as Pieces
  const first = gate(a.work)
  const second = gate(b.work)
  await t.throwsAsync(gate(c.work), { instanceOf: HasherBusyError })
  await t.throwsAsync(second, { instanceOf: HasherBusyError })
  const fourth = gate(d.work)
  a.end()
  await first
  await delay(0)
  d.end()
  t.is(await fourth, 'd')
  t.deepEqual(started, ['a', 'd'])
})

test('what waits for something else does not hold up the others for ever', async (t) => {
  const gate = createGate({ atOnce: 1, holdMs: 20 })
  const started: string[] = []
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => piece(started, name)) as Pieces
  const stuck = gate(a.work)
  const [second, third] = [gate(b.work), gate(c.work)]
  t.deepEqual(started, ['a'])
  while (started.length < 2) await delay(1)
  b.end()
  t.is(await second, 'b')
  c.end()
  t.is(await third, 'c')
  a.end()
  t.is(await stuck, 'a')
  // Its place was handed on long ago, and is not there twice.
  const e = piece(started, 'e')
  const last = [gate(d.work), gate(e.work)]
  t.deepEqual(started, ['a', 'b', 'c', 'd'])
  d.end()
  e.end()
  t.deepEqual(await Promise.all(last), ['d', 'e'])
})
