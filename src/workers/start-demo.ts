import type { Development } from '../development/development.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import type { AuthServer } from '../server.ts'
import type { Logger } from '../telemetry/logger.ts'

/** The demo, where there is to be one; its code is read only then. */
export async function startDemo(
  server: Pick<AuthServer, 'config' | 'db'>,
  masterKeys: MasterKeys,
  log: Logger,
): Promise<Development | undefined> {
  if (!server.config.demo) return undefined
  const { startDevelopment } = await import('../development/development.ts')
  return startDevelopment(server, masterKeys, log)
}
