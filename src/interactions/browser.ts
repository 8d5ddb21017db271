import type { Database } from '../database/connect.ts'
import type { InteractionGateway, PendingInteraction } from '../oidc/interaction-gateway.ts'
import type { Gate } from '../registry/users/gate.ts'
import type { PasswordHasher } from '../registry/users/password.ts'
import type { LoginThrottle } from '../registry/users/throttle.ts'
import type { FormTokens } from './page.ts'
import type { Renderer } from './pages/render.ts'

/** What the pages need to do their work; handed in by server.ts. */
export interface Browser {
  issuer: string
  db: Database
  gateway: InteractionGateway
  renderer: Renderer
  tokens: FormTokens
  hasher: PasswordHasher
  gate: Gate
  throttle: LoginThrottle
  /** Default life of an access token. */
  accessSeconds: number
}

export type Pending = PendingInteraction
