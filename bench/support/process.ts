import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { cpuOf, memoryOf } from './cpu.ts'
import { askProbes } from './probe-client.ts'
import type { Readings } from './probe.ts'
import manifest from '../../package.json' with { type: 'json' }

export interface MeasuredProcess {
  pid: number
  port: number
  /** From spawning to the first request that was answered, ms. */
  startMs: number
  /** µs so far. */
  cpu(): number
  /** MB resident, of the worker (its largest process) and of all its processes. */
  memory(): { largest: number; all: number }
  /** Counts so far; ends what `observe` began. */
  read(): Promise<Readings>
  /** From now on, how late the event loop is and how long queries wait. @returns counts so far */
  observe(): Promise<Readings>
  /** Begins a CPU profile. @returns what ends it and writes it to a file named after this */
  profile(directory: string, name: string): Promise<() => Promise<void>>
  /** Signals it to stop and waits. */
  close(): Promise<void>
}

export interface ProcessOptions {
  main: string
  port: number
  environment: Readonly<Record<string, string>>
  /** Answers 200 once it is ready. */
  readyPath: string
  /** False: nothing rides along, and nothing can be asked of it. */
  probe?: boolean
}

const PATIENCE_MS = 30_000
const PROBE = join(import.meta.dirname, 'probe.ts')

/** What `npm start` tells Node. The reference gets the same. */
const flags = manifest.scripts.start.split(' ').filter((word) => word.startsWith('--'))

/** Starts `node <flags> <main>` with this environment and nothing else; its output is thrown away, its errors are told when it ends early. */
export async function startProcess({
  main,
  port,
  environment,
  readyPath,
  probe = true,
}: ProcessOptions): Promise<MeasuredProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'grantry-probe-'))
  const errors = join(directory, 'errors')
  const output = openSync(errors, 'w')
  const began = performance.now()
  const child = spawn(process.execPath, [...flags, main], {
    env: {
      PATH: process.env.PATH ?? '',
      ...(probe && { NODE_OPTIONS: `--import=${PROBE}`, PROBE_DIRECTORY: directory }),
      ...environment,
    },
    // Away from the checkout, whose .env is for somebody else.
    cwd: directory,
    stdio: ['ignore', 'ignore', output],
  })
  closeSync(output)
  const exited = once(child, 'exit')
  const close = async () => {
    child.kill('SIGTERM')
    await exited
    rmSync(directory, { recursive: true, force: true })
  }
  for (const end = began + PATIENCE_MS; !(await isReady(port, readyPath)); await delay(5)) {
    if (child.exitCode !== null || performance.now() > end) {
      const said = readFileSync(errors, 'utf8')
      await close()
      throw new Error(`the server did not start: ${said}`)
    }
  }
  const startMs = performance.now() - began
  const pid = child.pid!
  return {
    pid,
    port,
    startMs,
    cpu: () => cpuOf(pid),
    memory: () => memoryOf(pid),
    read: () => askProbes(directory, () => 'read'),
    observe: () => askProbes(directory, () => 'observe'),
    async profile(to, name) {
      await askProbes(directory, () => 'profile')
      return async () => void (await askProbes(directory, (id) => `save ${join(to, `${name}-${id}.cpuprofile`)}`))
    },
    close,
  }
}

function isReady(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.once('error', () => resolve(false))
    asked.end()
  })
}

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
