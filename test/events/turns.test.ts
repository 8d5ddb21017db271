/** The rhythm of loops that read a table. */
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { createTurns } from '../../src/lib/turns.ts'

const LONG_MS = 60_000

test('a hint ends the rest, also one that came while the turn lasted', async (t) => {
  const turns = createTurns({ everyMs: LONG_MS })
  turns.begin()
  turns.nudge()
  await turns.rest()
  turns.begin()
  setTimeout(() => turns.nudge(), 10)
  await turns.rest()
  t.pass()
})

test('without a hint the rest ends with its time', async (t) => {
  const turns = createTurns({ everyMs: 20 })
  turns.begin()
  const began = performance.now()
  await turns.rest()
  t.true(performance.now() - began >= 19)
})

test('what is hinted at in one moment is one turn', async (t) => {
  const turns = createTurns({ everyMs: LONG_MS, atLeastMs: 300 })
  let count = 0
  const began = performance.now()
  const hints = setInterval(() => turns.nudge(), 5)
  while (performance.now() - began < 900) {
    turns.begin()
    count += 1
    await turns.rest()
  }
  clearInterval(hints)
  t.true(count <= 4, `${count} turns in 900 ms`)
  await delay(400)
  turns.begin()
  setTimeout(() => turns.nudge(), 350)
  const later = performance.now()
  await turns.rest()
  t.true(performance.now() - later < 2_000, 'after a quiet moment a hint counts at once')
})
