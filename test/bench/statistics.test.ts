import test from 'ava'
import { latencyOf, median, percentile, slope } from '../../bench/support/statistics.ts'

test('a percentile is a value that was measured, and the least that covers its part', (t) => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  t.is(percentile(hundred, 0.5), 50)
  t.is(percentile(hundred, 0.99), 99)
  t.is(percentile(hundred, 1), 100)
  t.is(percentile([7], 0.01), 7)
  t.is(percentile([1, 2], 0.51), 2)
  t.is(percentile([], 0.5), Number.NaN)
})

test('numbers are ordered as numbers', (t) => {
  t.deepEqual(latencyOf([100, 9, 20]), { p50: 20, p95: 100, p99: 100, max: 100 })
})

test('the median of an even number of values is between the two in the middle', (t) => {
  t.is(median([3, 1, 2]), 2)
  t.is(median([10, 1, 2, 3]), 2.5)
})

test('growth is told apart from noise around a constant', (t) => {
  t.is(
    slope([
      { x: 0, y: 1 },
      { x: 1, y: 3 },
      { x: 2, y: 5 },
    ]),
    2,
  )
  t.is(
    slope([
      { x: 0, y: 5 },
      { x: 1, y: 6 },
      { x: 2, y: 5 },
    ]),
    0,
  )
})
