/**
 * What apps learn of sessions: the `sid` of their ID tokens, and the logout token that names it again when the session is
 * over (OpenID Connect Back-Channel Logout 1.0). When a logout token is due and how it gets there is decided elsewhere: the
 * library would send it once, while the person waits, and for this way of signing out alone.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Provider } from 'oidc-provider'
import { policyOf } from './configuration/client-metadata.ts'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/**
 * The id that one app knows a session by (§2.1). It follows from the session, so that it can still be told when the session
 * is gone, and differs for each app, so that apps can't compare.
 */
export function sidOf(sessionUid: string, clientId: string): string {
  return createHash('sha256').update(`${sessionUid}\n${clientId}`).digest('base64url').slice(0, 32)
}

/** The ID tokens of apps that live in the browser say of which session they are. */
export function nameSessions(provider: Provider): void {
  type SidFor = (this: { uid: string }, clientId: string, value?: string) => unknown
  const session = provider.Session.prototype as unknown as { sidFor: SidFor }
  const store = session.sidFor
  if (!store) throw new Error('the library no longer asks its session for a sid')
  session.sidFor = function (clientId, value) {
    return value === undefined ? sidOf(this.uid, clientId) : store.call(this, clientId, value)
  }
  const client = provider.Client.prototype as unknown as { includeSid(): boolean }
  if (!client.includeSid) throw new Error('the library no longer asks a client whether its ID tokens name the session')
  client.includeSid = function (this: InstanceType<Provider['Client']>) {
    const { kind } = policyOf(this)
    return kind === 'web' || kind === 'spa'
  }
}

export interface EndedSession {
  sessionUid: string
  clientId: string
  userId: string
}

/** The part of the library's model that signs as it signs ID tokens: with the client's algorithm and the key of the moment. */
interface LogoutToken {
  mask: unknown
  set(name: string, value: unknown): void
  issue(options: { use: 'logout' }): Promise<string>
}

type NewLogoutToken = new (claims: { sub: string }, context: { client: object; ctx: undefined }) => LogoutToken

/**
 * Signs logout tokens (§2.4): `typ` is `logout+jwt`, they live for two minutes, and `sid` is always there.
 * @returns undefined when there is no such client, or it is out of use
 */
export function createLogoutTokens(provider: () => Provider): (ended: EndedSession) => Promise<string | undefined> {
  return async ({ sessionUid, clientId, userId }) => {
    const current = provider()
    const client = await current.Client.find(clientId)
    if (!client) return undefined
    const model = (current as unknown as { IdToken: NewLogoutToken }).IdToken
    const token = new model({ sub: userId }, { client, ctx: undefined })
    token.mask = { sub: null }
    token.set('events', { [EVENT]: {} })
    token.set('jti', randomUUID())
    token.set('sid', sidOf(sessionUid, clientId))
    return token.issue({ use: 'logout' })
  }
}
