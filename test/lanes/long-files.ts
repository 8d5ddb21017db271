/**
 * The test files that take ten seconds or more when all run, the longest first. They begin before all others: a long one that
 * begins late has its lane to itself when the others have nothing left to do. Those that mostly wait come one after the other
 * behind the first two, which keep the processors busy meanwhile.
 */
export const LONG_FILES = [
  'test/rig/ended-meanwhile.test.ts',
  'test/demo/playground.test.ts',
  'test/races/key-turn-over.test.ts',
  'test/database/pool.test.ts',
  'test/faults/database.test.ts',
  'test/pages/browser.test.ts',
  'test/rig/crash.test.ts',
  'test/browser/story.test.ts',
  'test/operations/garbage.test.ts',
  'test/rig/start.test.ts',
  'test/rig/single-use.test.ts',
  'test/readme.test.ts',
  'test/bench/bench.test.ts',
  'test/management/contract.test.ts',
  'test/races/browser.test.ts',
  'test/rest/reference-page.test.ts',
  'test/operations/image.test.ts',
  'test/workers/workers.test.ts',
  'test/events/faults.test.ts',
]
