import { lstatSync, mkdirSync } from 'node:fs'
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/**
 * Lets Node keep what it compiles, and take it from there at the next start: half of a start is compiling. Call it before
 * the code is imported. Where nothing can be kept (a read-only file system), nothing is; a directory that Node was told of
 * (`NODE_COMPILE_CACHE`) stays the one.
 *
 * What lies there is run as our own code, so it is in a directory that is ours alone: in /tmp anybody may be there first.
 */
export function useCompiledCode(): void {
  if (getCompileCacheDir() !== undefined) return
  const directory = privateDirectory()
  if (directory !== undefined) enableCompileCache(directory)
}

function privateDirectory(): string | undefined {
  try {
    const { uid } = userInfo()
    const path = join(tmpdir(), `grantry-code-${uid}`)
    mkdirSync(path, { mode: 0o700, recursive: true })
    const found = lstatSync(path)
    const isOurs =
      found.isDirectory() && (process.platform === 'win32' || (found.uid === uid && (found.mode & 0o077) === 0))
    return isOurs ? path : undefined
  } catch {
    // No place to write, or a user without an account: compiling anew does no harm.
    return undefined
  }
}
