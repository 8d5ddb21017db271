import test from 'ava'
import { createTally, type Counts } from '../support/tap.ts'

function count(tap: string, brokenOff?: string): { counts: Counts; printed: string } {
  const printed: string[] = []
  const tally = createTally((line) => void printed.push(line))
  for (const line of tap.split('\n')) tally.read(line)
  return { counts: tally.end({ brokenOff }), printed: printed.join('\n') }
}

test('each test line is counted once, comments and plans are not', (t) => {
  const { counts } = count(
    'TAP version 13\nok 1 - a › one\nok 2 - a # of b\nnot ok 3 - a › three\n\n1..3\n# tests 3\n# pass 2\n# fail 1',
  )
  t.deepEqual(counts, { passed: 2, failed: 1, skipped: 0 })
})

test('what failed is printed with its details, what passed is not', (t) => {
  const { printed } = count(
    'ok 1 - fine\n#   a note\nnot ok 2 - bad\n#   its note\n  ---\n    message: why\n  ...\nok 3 - fine',
  )
  t.is(printed, 'failed: bad\n#   its note\n  ---\n    message: why\n  ...\n')
})

test('figures and tables that a passed test wants shown are printed, its other notes are not', (t) => {
  const { printed } = count('ok 1 - faults\n#   a note\n#   shown: lost 0\n#   | a table |\nok 2 - fine')
  t.is(printed, '# lost 0\n#   | a table |')
})

test('what was skipped is printed with its reason', (t) => {
  const { counts, printed } = count(
    'ok 1 - left out # SKIP\nok 2 - browser\n#   skipped: no Chromium here\nnot ok 3 - later # TODO',
  )
  t.deepEqual(counts, { passed: 0, failed: 0, skipped: 3 })
  t.is(printed, 'skipped: left out\nskipped: browser (no Chromium here)\nskipped: later')
})

test('a test that fails is not excused by a note that it was skipped', (t) => {
  const { counts } = count('not ok 1 - browser\n#   skipped: no Chromium here')
  t.deepEqual(counts, { passed: 0, failed: 1, skipped: 0 })
})

test('a run that broke off has failed, and says after which test', (t) => {
  const { counts, printed } = count('ok 1 - the last one heard of', 'a crash')
  t.deepEqual(counts, { passed: 1, failed: 1, skipped: 0 })
  t.regex(printed, /broke off after "the last one heard of" \(a crash\)/)
})
