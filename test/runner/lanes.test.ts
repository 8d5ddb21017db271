/** What a lane makes of the files it runs: the same as ava makes of each in a process of its own. */
import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { LONG_FILES } from '../lanes/long-files.ts'
import { allTestFiles, createQueue } from '../lanes/queue.ts'

const root = dirname(dirname(import.meta.dirname))
const FILES = ['1-good', '2-bad', '3-broken', '4-empty', '5-crash', '6-never'].map(
  (name) => `test/runner/lane-files/${name}.ts`,
)

test('files share a process and nothing else; whatever is wrong with one is a failure that names it', async (t) => {
  const queue = join(mkdtempSync(join(tmpdir(), 'lanes-')), 'queue')
  const filesLeft = createQueue(queue, FILES)
  const ava = [join(root, 'node_modules', '.bin', 'ava'), '--tap', '--config', 'test/lanes/ava.config.js']
  const run = promisify(execFile)(process.execPath, [...ava, 'test/lanes/lane-1.ts'], {
    cwd: root,
    env: { ...process.env, TEST_QUEUE: queue },
  })
  const { stdout } = (await t.throwsAsync(run)) as Error & { stdout: string }
  const results = stdout.split('\n').filter((line) => /^(?:not )?ok/.test(line))
  t.deepEqual(
    results.map((line) => line.replace(/ \d+ - /, ' ')),
    [
      'ok runner › lane-files › 1-good.ts › has hooks of its own',
      'ok runner › lane-files › 1-good.ts › same title',
      'not ok runner › lane-files › 2-bad.ts › same title',
      'not ok Error: does not even load',
      'not ok Error: no tests in test/runner/lane-files/4-empty.ts',
      'not ok Error: nobody catches this',
      'not ok test/lanes/lane-1.ts exited with a non-zero exit code: 1',
    ],
  )
  t.regex(stdout, /^# runner › lane-files › 1-good\.ts › the end of it$/m)
  t.regex(stdout, /wrong on purpose/)
  t.regex(stdout, /3-broken\.ts/)
  t.deepEqual(filesLeft(), FILES.slice(4))
})

test('all files are run, each once, and the long ones begin first', (t) => {
  const files = allTestFiles()
  t.deepEqual(files.slice(0, LONG_FILES.length), LONG_FILES, 'a long file that there is no more')
  t.is(new Set(files).size, files.length)
  t.true(files.includes('test/runner/lanes.test.ts'))
})
