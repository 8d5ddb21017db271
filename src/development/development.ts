/**
 * `development` makes the first minute: demo data, the demo process, the lines that a newcomer reads. It runs only while
 * ISSUER is this machine and never in production; nothing else knows of it.
 */
import type { MasterKeys } from '../lib/master-key.ts'
import type { AuthServer } from '../server.ts'
import type { Logger } from '../telemetry/logger.ts'
import { startDemoProcess } from './demo-process.ts'
import { prepareFirstRun, type FirstRun } from './first-run.ts'

export interface Development {
  firstRun: FirstRun
  close(): Promise<void>
}

/** Seeds the demo data once, starts the demo beside the server, and waits until it answers. */
export async function startDevelopment(
  server: Pick<AuthServer, 'config' | 'db'>,
  masterKeys: MasterKeys,
  log: Logger,
): Promise<Development | undefined> {
  const { demo } = server.config
  if (!demo) return undefined
  const { firstRun, webhookSecret } = await prepareFirstRun(server, masterKeys, `http://localhost:${demo.port}`)
  const clientId = firstRun.demo.clients.spa.client_id
  const child = await startDemoProcess(server.config, { clientId, webhookSecret }, log)
  return { firstRun, close: () => child.stop() }
}
