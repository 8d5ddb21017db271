/**
 * CPU time of processes as the kernel counts it: all threads of a process and of its descendants. Live threads are read from
 * `schedstat` in nanoseconds; what has ended and was waited for stands in the root's own record, in ticks.
 */
import { readdirSync, readFileSync } from 'node:fs'

const MICROSECONDS_PER_TICK = 10_000

/** @returns µs of user and system time so far; take the difference of two readings */
export function cpuOf(root: number): number {
  const ended = childTicks(root) * MICROSECONDS_PER_TICK
  return processesOf(root).reduce((sum, pid) => sum + liveCpu(pid), ended)
}

/** The process and all its descendants. */
export function processesOf(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const parent = pid > 0 ? Number(statOf(pid)[1]) : Number.NaN
    if (!Number.isNaN(parent)) children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const found = [root]
  for (const pid of found) found.push(...(children.get(pid) ?? []))
  return found
}

/** µs that all cores of the machine have worked so far, for whomever (proc_stat(5); guests are in user time already). */
export function machineCpu(): number {
  const [user, nice, system, , , interrupts, softInterrupts] = (read('/proc/stat') ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (
    [user, nice, system, interrupts, softInterrupts].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) *
    MICROSECONDS_PER_TICK
  )
}

/** Resident memory of a process and its descendants in MB: of the largest of them, and of all. */
export function memoryOf(root: number): { largest: number; all: number } {
  const each = processesOf(root).map(residentOf)
  return { largest: Math.max(...each), all: each.reduce((sum, megabytes) => sum + megabytes, 0) }
}

function residentOf(pid: number): number {
  const status = read(`/proc/${pid}/status`) ?? ''
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

function liveCpu(pid: number): number {
  let nanoseconds = 0
  for (const thread of list(`/proc/${pid}/task`)) {
    nanoseconds += Number(read(`/proc/${pid}/task/${thread}/schedstat`)?.split(' ')[0] ?? 0)
  }
  return nanoseconds / 1000
}

/** proc(5): utime, stime, cutime and cstime are the fields 14 to 17; the name before them may hold anything. */
function childTicks(pid: number): number {
  const fields = statOf(pid)
  return Number(fields[13] ?? 0) + Number(fields[14] ?? 0)
}

/** The fields of /proc/<pid>/stat from the third, the state, on. */
function statOf(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`)
  return text ? text.slice(text.lastIndexOf(')') + 2).split(' ') : []
}

/** Processes and threads end while they are looked at. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
