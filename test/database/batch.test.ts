/** Questions of one moment share a statement; answers are never older than their questions, and never somebody else's. */
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { createBatch } from '../../src/database/batch.ts'
import { passingFault } from '../../src/database/passing-fault.ts'

/** What was asked, statement by statement; each takes a moment. */
function recorder(options: { keyOf?: (question: number) => string; most?: number } = {}) {
  const asked: number[][] = []
  let underway = 0
  const ask = createBatch<number, string>({
    ...options,
    async ask(questions) {
      underway += 1
      if (underway > 1) throw new Error('two statements at once')
      asked.push(questions)
      await delay(1)
      underway -= 1
      if (questions.includes(13)) throw new Error('no luck')
      return questions.map((question) => `answer to ${question}`)
    },
  })
  return { asked, ask }
}

test('one question goes out by itself', async (t) => {
  const { asked, ask } = recorder()
  t.is(await ask(1), 'answer to 1')
  t.is(await ask(2), 'answer to 2')
  t.deepEqual(asked, [[1], [2]])
})

test('questions of one turn go together, and those that come meanwhile go next', async (t) => {
  const { asked, ask } = recorder()
  const first = [ask(1), ask(2), ask(3)]
  await delay(1)
  const later = [ask(4), ask(5)]
  t.deepEqual(await Promise.all(first), ['answer to 1', 'answer to 2', 'answer to 3'])
  t.deepEqual(await Promise.all(later), ['answer to 4', 'answer to 5'])
  t.deepEqual(asked, [
    [1, 2, 3],
    [4, 5],
  ])
})

test('no statement has more than the most, and none has a key twice', async (t) => {
  const { asked, ask } = recorder({ most: 3, keyOf: (question) => String(question % 10) })
  const questions = [1, 11, 2, 3, 4, 21]
  t.deepEqual(
    await Promise.all(questions.map((question) => ask(question))),
    questions.map((question) => `answer to ${question}`),
  )
  t.deepEqual(asked, [[1, 2, 3], [11, 4], [21]])
})

test('a statement that fails fails for those who share it, and for nobody else', async (t) => {
  const { ask } = recorder()
  const together = [ask(12), ask(13)]
  await delay(1)
  const next = ask(14)
  for (const question of together) await t.throwsAsync(question, { message: 'no luck' })
  t.is(await next, 'answer to 14')
  t.is(await ask(15), 'answer to 15')
})

test('a statement that answers for too few is a mistake of the code, and nobody waits for ever', async (t) => {
  const ask = createBatch<number, string>({ ask: () => Promise.resolve([]) })
  await t.throwsAsync(ask(1), { message: /as many answers as questions/ })
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
