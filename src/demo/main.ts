/** The demo process: environment → configuration → server → signals. */
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { DemoConfigError, loadDemoConfig, type DemoConfig } from './config.ts'
import { startDemo } from './server.ts'

async function run(config: DemoConfig, log: Logger): Promise<void> {
  const stopped = Promise.withResolvers<string>()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopped.resolve(signal))
  // The channel breaks however the parent ends, kill -9 included: the demo never outlives whoever started it.
  process.on('disconnect', () => stopped.resolve('parent gone'))

  const demo = await startDemo(config, { log })
  log.info({ url: demo.url }, 'the demo answers')
  if (process.connected) process.send?.({ ready: true, url: demo.url })
  log.info({ reason: await stopped.promise }, 'the demo stops')
  await demo.close()
}

try {
  const config = loadDemoConfig(process.env)
  const log = createLogger(config.log)
  await run(config, log).catch((error: unknown) => {
    log.fatal({ err: error }, 'the demo cannot run')
    process.exit(1)
  })
} catch (error) {
  if (!(error instanceof DemoConfigError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
process.exit(0)
