import test from 'ava'
import { createBatch } from '../../src/database/batch.ts'
import { passingFault } from '../../src/database/passing-fault.ts'

test('questions that come while a statement is under way share the next one, and each gets its own answer', async (t) => {
  const statements: number[][] = []
  const double = createBatch<number, number>({
    ask: async (questions) => {
      statements.push(questions)
      await new Promise((resolve) => setTimeout(resolve, 10))
      return questions.map((question) => question * 2)
    },
  })
  const first = double(1)
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.deepEqual(await Promise.all([first, double(2), double(3), double(4)]), [2, 4, 6, 8])
  t.deepEqual(statements, [[1], [2, 3, 4]])
})

test('behind a statement that is stuck nobody waits for long, newcomers not at all; afterwards all is as before', async (t) => {
  const gate = Promise.withResolvers<void>()
  const answer = createBatch<number, number>({
    ask: (questions) => gate.promise.then(() => questions),
    patienceMs: 50,
  })
  const faultOf = (question: number) => answer(question).then(() => 'answered', passingFault)
  const stuck = faultOf(1)
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.deepEqual(await Promise.all([stuck, faultOf(2), faultOf(3)]), ['connection', 'connection', 'connection'])
  const began = performance.now()
  t.is(await faultOf(4), 'connection')
  t.true(performance.now() - began < 45)
  gate.resolve()
  await gate.promise
  await new Promise((resolve) => setImmediate(resolve))
  t.is(await answer(5), 5)
})
