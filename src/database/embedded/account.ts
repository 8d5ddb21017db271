import { existsSync, readFileSync, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname } from 'node:path'
import { DatabaseError } from '../error.ts'

/** Who PostgreSQL runs as. It refuses to run as root, so root lends it another account. */
export interface Account {
  uid: number
  gid: number
  /** Set when this process is root and must step down to the account. */
  stepDown: boolean
}

/**
 * The account for a data directory: its owner if it exists, else `nobody` for root, else the user of this process.
 * Throws `DatabaseError` when that account can't be used.
 * @param dataDirectory the cluster's files; need not exist yet
 */
export function accountFor(dataDirectory: string): Account {
  const self = { uid: process.getuid!(), gid: process.getgid!() }
  const owner = ownerOf(dataDirectory)
  if (self.uid === 0) return { ...(owner && owner.uid !== 0 ? owner : nobody()), stepDown: true }
  if (owner && owner.uid !== self.uid) {
    throw new DatabaseError(
      `${dataDirectory} belongs to uid ${owner.uid}, but this is uid ${self.uid}: start as its owner (or root), choose another DATA_DIR, or set DATABASE_URL`,
    )
  }
  assertNamed(self.uid)
  return { ...self, stepDown: false }
}

/** The program and options with which a command runs as the account. `mustReach`: paths that it has to get at. */
export function asAccount(
  account: Account,
  command: string,
  args: readonly string[],
  mustReach: readonly string[],
): { file: string; args: string[]; identity: { uid?: number; gid?: number } } {
  if (!account.stepDown) return { file: command, args: [...args], identity: {} }
  const { uid, gid } = account
  const setpriv = mustReach.every((path) => isReachable(path, account)) ? undefined : findSetpriv()
  if (!setpriv) return { file: command, args: [...args], identity: { uid, gid } }
  const step = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...PASS_BY, '--', command]
  return { file: setpriv, args: [...step, ...args], identity: {} }
}

/**
 * Below a directory that only root may enter (/root, mktemp -d) the account keeps the one capability that passes it by. The
 * securebit makes that count for access(2) too, by which PostgreSQL looks for its own program (capabilities(7)).
 */
const PASS_BY = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override', '--securebits=+no_setuid_fixup']

function ownerOf(path: string): { uid: number; gid: number } | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found && { uid: found.uid, gid: found.gid }
}

function nobody(): { uid: number; gid: number } {
  const line = readPasswd().find((fields) => fields[0] === 'nobody')
  if (!line) {
    throw new DatabaseError(
      'PostgreSQL does not run as root and there is no account "nobody": start as an ordinary user or set DATABASE_URL',
    )
  }
  return { uid: Number(line[2]), gid: Number(line[3]) }
}

function readPasswd(): string[][] {
  return existsSync('/etc/passwd')
    ? readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .map((line) => line.split(':'))
    : []
}

function assertNamed(uid: number): void {
  try {
    userInfo()
  } catch {
    throw new DatabaseError(
      `uid ${uid} has no account on this system, which the embedded PostgreSQL needs: set DATABASE_URL`,
    )
  }
}

function isReachable(path: string, { uid, gid }: Account): boolean {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const found = statSync(folder, { throwIfNoEntry: false })
    if (!found) return false
    const bit = found.uid === uid ? 0o100 : found.gid === gid ? 0o010 : 0o001
    if ((found.mode & bit) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

function findSetpriv(): string | undefined {
  return ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))
}
