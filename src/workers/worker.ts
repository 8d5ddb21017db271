/** A worker process, started by supervise.ts alone: the code that was compiled before → configuration → server → its word. */
import { useCompiledCode } from './compiled-code.ts'

useCompiledCode()
const { liveAsWorker } = await import('./worker-life.ts')
const isFirst = process.argv[2] === 'first'
process.exit(await liveAsWorker({ env: process.env, isFirst, giveUp: () => process.exit(1) }))
