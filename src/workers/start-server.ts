import type { Config } from '../config/load.ts'
import { loadMasterKeys } from '../config/master-keys.ts'
import { createDoor } from '../http/door.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import type { AuthServer } from '../server.ts'
import type { Logger } from '../telemetry/logger.ts'

export interface StartOptions {
  /** Takes the port first: whether it is free is known at once, and health has an answer while the rest is made. */
  listensEarly: boolean
  /** Another process tells the metrics of this one. */
  isWorker?: boolean
}

/** Makes the server of this process; `server.listen()` opens it. @throws what stands in the way of a start */
export async function startServer(
  config: Config,
  log: Logger,
  { listensEarly, isWorker = false }: StartOptions,
): Promise<{ server: AuthServer; masterKeys: MasterKeys }> {
  const door = createDoor()
  if (listensEarly) await door.listen(config.listen)
  try {
    // Most of a start is reading its code, and the door stands already.
    const [{ createAuthServer }, masterKeys] = await Promise.all([import('../server.ts'), loadMasterKeys(config)])
    return { server: await createAuthServer(config, masterKeys, log, { door, isWorker }), masterKeys }
  } catch (error) {
    await door.close()
    throw error
  }
}
