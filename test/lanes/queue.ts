/** The test files of a run, and who has taken which: a folder of marks, each made by whoever comes first. */
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LONG_FILES } from './long-files.ts'

const root = dirname(dirname(import.meta.dirname))
const FILES = 'files.json'

/** In the order in which they are to begin. */
export function allTestFiles(): string[] {
  const files = globSync('test/**/*.test.ts', { cwd: root }).toSorted()
  return [...LONG_FILES.filter((file) => files.includes(file)), ...files.filter((file) => !LONG_FILES.includes(file))]
}

/**
 * @param directory is made
 * @param files paths from the root of the project
 * @returns what tells which files nobody has run to their end
 */
export function createQueue(directory: string, files: string[]): () => string[] {
  mkdirSync(directory)
  writeFileSync(join(directory, FILES), JSON.stringify(files))
  return () => files.filter((_, index) => !existsSync(join(directory, `${index}.done`)))
}

/** Takes one file after the other from the queue in that directory, until all are taken by somebody. */
export async function eachOwn(directory: string, run: (file: string) => Promise<void>): Promise<void> {
  const files = JSON.parse(readFileSync(join(directory, FILES), 'utf8')) as string[]
  for (const [index, file] of files.entries()) {
    if (!isFirst(join(directory, `${index}.taken`))) continue
    await run(file)
    writeFileSync(join(directory, `${index}.done`), '')
  }
}

function isFirst(mark: string): boolean {
  try {
    writeFileSync(mark, '', { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
