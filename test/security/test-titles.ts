import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')

const STRING = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/.source
/** `test('…'`, in whatever order they run, and the titles that a macro makes. What is skipped or expected to fail is none. */
const TITLE = new RegExp(
  String.raw`(?<![\w.$])(?:(?:testInChromium|test(?:\.serial)?)\(|title:\s*\([^)]*\)\s*=>)\s*(${STRING})`,
  'g',
)

/**
 * The titles of all tests by where they stand, read from the sources: one that is made from a template stands for all that
 * come of it, and is its text between the backticks. @returns paths below test/, as often as the title stands there
 */
export function readTestTitles(): Map<string, string[]> {
  const titles = new Map<string, string[]>()
  for (const file of globSync('test/**/*.test.ts', { cwd: ROOT }).sort()) {
    for (const [, literal = ''] of readFileSync(join(ROOT, file), 'utf8').matchAll(TITLE)) {
      const title = literal.slice(1, -1).replaceAll(/\\(.)/g, '$1')
      titles.set(title, [...(titles.get(title) ?? []), file.replaceAll('\\', '/').slice('test/'.length)])
    }
  }
  return titles
}
