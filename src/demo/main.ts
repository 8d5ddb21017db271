/** The demo process: environment → configuration → server → signals. */
import { createLogger } from '../telemetry/logger.ts'
import { loadDemoConfig, type DemoConfig } from './config.ts'
import { startDemo } from './server.ts'

function readConfig(): DemoConfig {
  try {
    return loadDemoConfig(process.env)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exit(1)
  }
}

const config = readConfig()
const log = createLogger(config.log)
const starting = startDemo(config, { log })

let isStopping = false
async function stop(reason: string): Promise<void> {
  if (isStopping) return
  isStopping = true
  log.info({ reason }, 'the demo stops')
  await starting.then((demo) => demo.close()).catch(() => undefined)
  process.exit(0)
}
process.on('SIGINT', () => void stop('SIGINT'))
process.on('SIGTERM', () => void stop('SIGTERM'))
// The channel breaks however the parent ends, kill -9 included: the demo never outlives whoever started it.
process.on('disconnect', () => void stop('parent gone'))

try {
  const { url } = await starting
  log.info({ url }, 'the demo answers')
  process.send?.({ ready: true, url })
} catch (error) {
  log.fatal({ err: error }, 'the demo cannot start')
  process.exit(1)
}
