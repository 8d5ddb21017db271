/**
 * A lane runs many test files in one process, one after the other, each as ava runs it: with a runner, hooks and titles of its
 * own. What all of them load is loaded once, and compiled code stays warm: a third of the processor time of a whole run. Lanes
 * take the next file from a common queue, so none ends long before the others. `npm test file` gives files processes of their
 * own, as ava does; a test that fails in a lane only leaves something behind, or finds something, in its process.
 *
 * This knows the inside of ava (runner, channel to the main process), whose version package.json pins.
 */
import { createRequire, flushCompileCache } from 'node:module'
import { basename, dirname, join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { eachOwn } from './queue.ts'

type Chain = ((...args: unknown[]) => unknown) & { [name: string]: Chain }

interface StateChange {
  type: string
  title?: string
  [name: string]: unknown
}

interface Runner {
  chain: Chain
  on(name: 'stateChange', listener: (change: StateChange) => void): void
  on(name: 'finish', listener: () => void): void
  on(name: 'error', listener: (error: unknown) => void): void
}

const root = dirname(dirname(import.meta.dirname))
const lib = join(dirname(dirname(fileURLToPath(import.meta.resolve('ava')))), 'lib')
const inside = createRequire(import.meta.url)
const { refs } = inside(join(lib, 'worker', 'state.cjs')) as { refs: { runnerChain: Chain } }
const { send } = inside(join(lib, 'worker', 'channel.cjs')) as { send: (change: StateChange) => void }
const { get } = inside(join(lib, 'worker', 'options.cjs')) as { get: () => Record<string, unknown> }
const { default: RunnerOfAva } = inside(join(lib, 'runner.js')) as { default: new (options: object) => Runner }
const { default: serialize } = inside(join(lib, 'serialize-error.js')) as {
  default: (error: unknown, context: { testFile: string }) => unknown
}

/** Of the file that is being loaded. */
let current: Runner | undefined

/** Runs files from the queue until it is empty. Nothing may have imported ava before. */
export async function runLane(): Promise<void> {
  const directory = process.env.TEST_QUEUE
  if (!directory) throw new Error('TEST_QUEUE is not set: lanes are started by "npm test"')
  const own = refs.runnerChain
  refs.runnerChain = chainOfCurrent([])
  await eachOwn(directory, async (file) => {
    await runFile(file)
    // Processes that tests start need not compile it all again.
    flushCompileCache()
  })
  // The lane's own runner has no test: it ends at once, and with it the process.
  own.before?.(() => undefined)
}

async function runFile(path: string): Promise<void> {
  const file = join(root, path)
  const runner = new RunnerOfAva({ ...get(), file, checkSelectedByLineNumbers: () => true })
  const fail = (error: unknown) => send({ type: 'uncaught-exception', err: serialize(error, { testFile: file }) })
  const finished = new Promise<void>((resolve) => {
    runner.on('finish', resolve)
    runner.on('error', (error) => {
      fail(error)
      resolve()
    })
  })
  let declared = 0
  runner.on('stateChange', (change) => {
    if (change.type === 'declared-test') declared += 1
    send(change.title === undefined ? change : { ...change, title: titleFrom(path, change.title) })
  })
  current = runner
  try {
    await import(pathToFileURL(file).href)
    if (declared === 0) throw new Error(`no tests in ${path}`)
  } catch (error) {
    fail(error)
  }
  if (declared > 0) await finished
}

/** As ava itself has it: `flows › device › a code is used once`. */
function titleFrom(path: string, title: string): string {
  return [...dirname(path).split(sep).slice(1), basename(path, '.test.ts'), title].join(' › ')
}

/** What test files import as `test`: whatever they declare is declared with the runner of the file that is being loaded. */
function chainOfCurrent(names: readonly string[]): Chain {
  const call = (..._args: unknown[]) => undefined
  return new Proxy(call as unknown as Chain, {
    apply: (_call, _self, args: unknown[]) => names.reduce((chain, name) => chain[name]!, current!.chain)(...args),
    get: (_call, name) => chainOfCurrent([...names, String(name)]),
  })
}
