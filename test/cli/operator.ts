/** Runs the operator's commands as a shell would: the bin as a process, or, faster, the same program inside this one. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { runCommand } from '../../src/cli/program.ts'
import { testDatabaseUrl, type Teardown } from '../support/database.ts'
import { bareEnvironment } from '../support/environment.ts'

export const BIN = join(dirname(dirname(import.meta.dirname)), 'src', 'grantry.js')

export interface Outcome {
  /** Exit status; null when a signal ended the process. */
  status: number | null
  stdout: string
  stderr: string
}

export interface Operator {
  env: Record<string, string>
  /** Runs a command in this process. */
  run: (args: string[], input?: string) => Promise<Outcome>
  /** Runs a command in this process with --json. @throws when it fails or says anything beside one document */
  // oxlint-disable-next-line typescript/no-explicit-any
  json: (args: string[], input?: string) => Promise<any>
  /** Runs the bin as a process. */
  spawn: (args: string[], options?: SpawnOptions) => Promise<Outcome>
}

export interface SpawnOptions {
  /** What stands on standard input; null leaves it open. */
  input?: string | null
  node?: string
  env?: Record<string, string>
  onStart?: (child: ChildProcess) => void
  /** Called as output comes; may end the process or its output. */
  onOutput?: (child: ChildProcess, sofar: string) => void
}

/** An operator of a database of its own. */
export async function operator(t: Teardown, url?: string): Promise<Operator> {
  const directory = await mkdtemp(join(tmpdir(), 'grantry-cli-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const env = { ...bareEnvironment, DATABASE_URL: url ?? (await testDatabaseUrl(t)), DATA_DIR: directory }
  const run: Operator['run'] = (args, input) => runHere(args, env, input)
  return {
    env,
    run,
    json: async (args, input) => {
      const { status, stdout, stderr } = await run([...args, '--json'], input)
      if (status !== 0 || stderr !== '') throw new Error(`${args.join(' ')}: ${status} ${stderr}`)
      return JSON.parse(stdout)
    },
    spawn: (args, options = {}) => spawnBin(args, { ...options, env: { ...env, ...options.env } }),
  }
}

async function runHere(args: string[], env: Record<string, string>, input = ''): Promise<Outcome> {
  const [stdout, stderr] = [collector(), collector()]
  const stdin = Readable.from(input === '' ? [] : [Buffer.from(input)])
  const status = await runCommand(args, { env, stdin, stdout: stdout.stream, stderr: stderr.stream })
  return { status, stdout: stdout.text(), stderr: stderr.text() }
}

function collector(): { stream: Writable; text: () => string } {
  const chunks: string[] = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk.toString())
      done()
    },
  })
  return { stream, text: () => chunks.join('') }
}

export function spawnBin(args: string[], options: SpawnOptions): Promise<Outcome> {
  const { input = '', node = process.execPath, env = {}, onStart, onOutput } = options
  const child = spawn(node, [BIN, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  const outcome = { status: null as number | null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    outcome.stdout += text
    onOutput?.(child, outcome.stdout)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    outcome.stderr += text
  })
  child.stdin.on('error', () => undefined)
  if (input !== null) child.stdin.end(input)
  onStart?.(child)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ ...outcome, status }))
  })
}
