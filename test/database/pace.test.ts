import test from 'ava'
import { createPace } from '../../src/database/pace.ts'

test('batches grow while they are quick and full, and shrink when they are slow or fail, within their bounds', (t) => {
  const pace = createPace({ first: 500, most: 2000 })
  const sizes = [10, 10, 10].map((milliseconds) => {
    pace.took(milliseconds, true)
    return pace.batch()
  })
  t.deepEqual(sizes, [1000, 2000, 2000])
  pace.took(200, true)
  t.is(pace.batch(), 1000)
  pace.failed()
  t.is(pace.batch(), 500)
  for (let n = 0; n < 10; n += 1) pace.took(200, true)
  t.is(pace.batch(), 50)
  pace.took(1, false)
  t.is(pace.batch(), 50, 'what takes all there is says nothing of more')
  t.is(createPace({ most: 7 }).batch(), 7)
})

test('it rests as long as it worked, and longer when even the least is slow, but never for good', (t) => {
  const pace = createPace({ first: 100 })
  t.is(pace.took(20, true), 20)
  t.is(pace.took(1, true), 5)
  for (let n = 0; n < 5; n += 1) pace.took(200, true)
  t.is(pace.took(200, true), 800)
  t.is(pace.took(5000, true), 2000)
})
