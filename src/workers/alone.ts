import type { Config } from '../config/load.ts'
import type { Logger } from '../telemetry/logger.ts'
import { readyLines } from '../development/ready-lines.ts'
import { warnOfConnections } from './connections.ts'
import { startDemo } from './start-demo.ts'
import { startServer } from './start-server.ts'
import { stopServer } from './stop-server.ts'
import { stopSignals } from './stop-signals.ts'

/** Serves in this process until a signal ends it. @throws what stands in the way of a start */
export async function serveAlone(config: Config, log: Logger): Promise<void> {
  const signals = stopSignals()
  try {
    const { server, masterKeys } = await startServer(config, log, { listensEarly: true })
    try {
      await server.listen()
      const development = await startDemo(server, masterKeys, log)
      if (!signals.isAsked()) process.stdout.write(readyLines(config.issuer, development?.firstRun))
      await warnOfConnections(server, log)
      await signals.first
      await Promise.all([development?.close(), stopServer(server, config.shutdown)])
    } finally {
      await server.close(config.shutdown.deadlineMs)
    }
  } finally {
    signals.forget()
  }
}
