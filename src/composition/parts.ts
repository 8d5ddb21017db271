import type { Config } from '../config/load.ts'
import type { Database } from '../database/connect.ts'
import type { Events } from '../events/service.ts'
import type { Renderer } from '../interactions/pages/render.ts'
import type { Phase } from '../http/door.ts'
import type { Overload } from '../http/overload.ts'
import type { KeyPolicy } from '../keys/key-policy.ts'
import type { KeyRing } from '../keys/ring.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import type { ClientOrigins } from '../registry/clients/origins.ts'
import type { Gate } from '../registry/users/gate.ts'
import type { PasswordHasher } from '../registry/users/password.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Issuing } from './issuing.ts'
import type { Telemetry } from './telemetry.ts'

/** What the pieces of a server are made from, once and in order, by server.ts. */
export interface Parts {
  config: Config
  masterKeys: MasterKeys
  log: Logger
  db: Database
  keys: KeyRing
  policy: KeyPolicy
  events: Events
  renderer: Renderer
  issuing: Issuing
  hasher: PasswordHasher
  gate: Gate
  /** One memory of them for everything that scripts of other origins may reach. */
  origins: ClientOrigins
  /** Aborted when the server stops: what is held open for a reader ends. */
  stopping: AbortSignal
  /** Whether this process still wants new requests. */
  phase: () => Phase
  /** Refuses what is too much. */
  overload: Overload
  telemetry: Telemetry
  checkAnswers: boolean
}
