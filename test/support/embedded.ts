/** Directories and processes for the tests of the embedded PostgreSQL. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'

const HOLDER = join(import.meta.dirname, 'embedded-holder.ts')

/** A directory that the account which root lends PostgreSQL can pass; it goes with the test, a server left in it too. */
export function scratch(t: Pick<ExecutionContext, 'teardown'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-'))
  chmodSync(directory, 0o711)
  t.teardown(async () => {
    const pid = postmasterOf(join(directory, 'pg'))
    if (pid && isAlive(pid)) process.kill(pid, 'SIGQUIT')
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  })
  return directory
}

/** A copy of a cluster that was made before, with its owners. */
export async function copyCluster(from: string, to: string): Promise<string> {
  await promisify(execFile)('cp', ['-a', from, to])
  return to
}

export function postmasterOf(directory: string): number | undefined {
  const file = join(directory, 'cluster', 'data', 'postmaster.pid')
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined
}

/** False for a zombie as well. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

export async function until(condition: () => boolean | Promise<boolean>, patienceMs = 20_000): Promise<boolean> {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await delay(10))
    if (await condition()) return true
  return false
}

export interface Holder {
  /** Connection string, or the error it ended with. */
  url?: string
  error?: string
  /** Asks it to leave and waits until it has. */
  leave(): Promise<void>
  kill(): Promise<void>
}

export interface HolderOptions {
  uid?: number
  gid?: number
}

/** A process of its own that uses the embedded server of a directory; resolves when it does or has failed. */
export function holder(
  t: Pick<ExecutionContext, 'teardown'>,
  directory: string,
  options?: HolderOptions,
): Promise<Holder> {
  return launchHolder(t, directory, options).settled
}

/** The same before it has settled. */
export function launchHolder(
  t: Pick<ExecutionContext, 'teardown'>,
  directory: string,
  { uid, gid }: HolderOptions = {},
): { settled: Promise<Holder>; kill(): Promise<void> } {
  const child = spawn(process.execPath, [HOLDER, directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid !== undefined && { uid, gid: gid ?? uid }),
  })
  const exited = once(child, 'exit')
  t.teardown(() => void child.kill('SIGKILL'))
  const leave = async (): Promise<void> => void (child.stdin.end(), await exited)
  const kill = async (): Promise<void> => void (child.kill('SIGKILL'), await exited)
  const settled = firstLine(child.stdout).then((line) => ({ ...parseAnswer(line), leave, kill }))
  return { settled, kill }
}

function parseAnswer(line: string | undefined): { url?: string; error?: string } {
  return line ? (JSON.parse(line) as { url?: string; error?: string }) : {}
}

async function firstLine(input: Readable): Promise<string | undefined> {
  for await (const line of createInterface({ input })) return line
  return undefined
}

export function ownerOf(path: string): number {
  return statSync(path).uid
}
