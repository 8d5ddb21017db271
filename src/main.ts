/** The server process: environment → configuration → server → signals. */
import { readEnvFile } from './config/env-file.ts'
import { loadConfig } from './config/load.ts'
import { loadMasterKeys } from './config/master-keys.ts'
import { readyLines, startDevelopment } from './development/development.ts'
import { explain } from './lib/explain.ts'
import { createAuthServer } from './server.ts'
import { createLogger } from './telemetry/logger.ts'

const STOP_DEADLINE_MS = 4500

/** Runs until a signal ends it. @throws what stands in the way of a start */
export async function serve(env: NodeJS.ProcessEnv): Promise<void> {
  const config = loadConfig(env)
  const log = createLogger(config.log)
  const masterKeys = await loadMasterKeys(config)
  const server = await createAuthServer(config, masterKeys, log)
  const stopped = Promise.withResolvers<void>()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.resolve())
  try {
    await server.listen()
    const development = await startDevelopment(server, masterKeys, log)
    process.stdout.write(readyLines(config.issuer, development?.firstRun))
    await stopped.promise
    await Promise.all([development?.close(), server.close(STOP_DEADLINE_MS)])
  } finally {
    await server.close(STOP_DEADLINE_MS)
  }
}

if (process.argv[1] === import.meta.filename) {
  readEnvFile()
  serve(process.env).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${explain(error)}\n`)
      process.exit(1)
    },
  )
}
