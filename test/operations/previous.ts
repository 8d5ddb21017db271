/**
 * The version before this one, as git has it: what may still be running beside this one during an upgrade. Whoever releases a
 * version writes the one before it here.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)

export const PREVIOUS = {
  commit: '8e4db9607cce710cd79fe245ed45f87bfab4560c',
  /** Its newest migration. */
  migration: '0018-backchannel-logout',
  /**
   * Tables that may get no column while it runs, because it reads them whole by named statements and does not ask again when
   * PostgreSQL refuses its plan. None, of versions since this one.
   */
  fixedTables: ['clients', 'resources'] as readonly string[],
  /** Whether it also starts on a schema that is newer than itself, instead of only staying up on one. */
  startsOnNewer: false,
}

/**
 * Lays its sources out below `directory`, with the packages of this checkout.
 * @returns why that is not possible here, or undefined
 */
export async function checkOutPrevious(directory: string): Promise<string | undefined> {
  const archive = join(directory, 'previous.tar')
  mkdirSync(directory, { recursive: true })
  const paths = ['package.json', 'src', 'migrations', 'views', 'test/support']
  try {
    await run('git', ['archive', '--output', archive, PREVIOUS.commit, ...paths], { cwd: root })
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    return `the version before this one, ${PREVIOUS.commit}, is not in this checkout's history (fetch all of it): ${stderr.trim() || message}`
  }
  await run('tar', ['-xf', archive, '-C', directory])
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  return undefined
}
