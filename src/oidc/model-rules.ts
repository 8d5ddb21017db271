/**
 * Where a rule of ours lives inside a model of the library's. Each override is a documented method or, where it is not, a
 * contract test holds the library to it.
 */
import { createHmac, type KeyObject } from 'node:crypto'
import { errors, Provider, type KoaContextWithOIDC } from 'oidc-provider'
import { deriveForHmac, type MasterKeys } from '../lib/master-key.ts'
import { verifyClientSecret } from '../registry/clients/secret.ts'
import type { Sessions } from './adapter/sessions.ts'
import { policyOf } from './configuration/client-metadata.ts'
import { nameSessions } from './logout-tokens.ts'

export function applyModelRules(
  provider: Provider,
  { masterKeys, sessions }: { masterKeys: MasterKeys; sessions: Sessions },
): void {
  compareSecretsByDigest(provider)
  deriveSuccessors(provider, deriveForHmac(masterKeys, 'refresh-successor')[0])
  changeSessionIds(provider, sessions)
  endSessionsForGood(provider, sessions)
  nameSessions(provider)
  leaveUnknownSessionsAlone(provider)
  holdScriptsToTheirClient(provider)
}

/** Client secrets are stored as digests only; any live one fits, so that a rotation can overlap. */
function compareSecretsByDigest(provider: Provider): void {
  const client = provider.Client.prototype as { compareClientSecret(presented: string): boolean }
  client.compareClientSecret = function (this: InstanceType<Provider['Client']>, presented) {
    const live = policyOf(this).secretDigests.map((digest) => ({ digest: Buffer.from(digest, 'base64url') }))
    return verifyClientSecret(live, presented)
  }
}

/** The successor of a refresh token is an HMAC of it (see adapter/refresh-tokens.ts); a first token is random. */
function deriveSuccessors(provider: Provider, key: KeyObject): void {
  const model = provider.RefreshToken.prototype as unknown as { generateTokenId?: (this: object) => string }
  const random = model.generateTokenId
  if (!random) throw new Error('the library no longer makes refresh token ids in generateTokenId')
  model.generateTokenId = function () {
    const rotated = (Provider.ctx?.oidc.entities as { RotatedRefreshToken?: { jti: string } } | undefined)
      ?.RotatedRefreshToken
    return rotated ? createHmac('sha256', key).update(rotated.jti).digest('base64url') : random.call(this)
  }
}

/** See adapter/session-id.ts. The library takes a random id here. */
function changeSessionIds(provider: Provider, { nextId }: Sessions): void {
  const model = provider.Session.prototype as unknown as { resetIdentifier(): void }
  if (!model.resetIdentifier) throw new Error('the library no longer changes session ids in resetIdentifier')
  type Self = { id: string; oldId?: string; accountId?: string; touched: boolean }
  model.resetIdentifier = function (this: Self) {
    this.oldId = this.id
    this.id = nextId(this.oldId, this.accountId)
    this.touched = true
  }
}

/**
 * For a cookie whose session is over the library makes an empty session and stores it. A late answer to one tab would then
 * sign out the browser in which another tab has just signed in, and anybody could fill the table.
 */
function leaveUnknownSessionsAlone(provider: Provider): void {
  const model = provider.Session as unknown as { get(ctx: unknown): Promise<{ new?: true; exp?: number }> }
  const get = model.get.bind(provider.Session)
  model.get = async (ctx) => {
    const session = await get(ctx)
    if (session.exp === undefined && !session.new) Object.defineProperty(session, 'new', { value: true })
    return session
  }
}

/** The library uses one adapter call for "the id changes" and "the session ends"; only the second is for good. */
function endSessionsForGood(provider: Provider, sessions: Sessions): void {
  const model = provider.Session.prototype as unknown as { destroy(): Promise<void> }
  model.destroy = async function (this: { uid: string; destroyed?: boolean }) {
    await sessions.end(this.uid)
    this.destroyed = true
  }
}

const CLIENT_ROUTES = new Set([
  'token',
  'pushed_authorization_request',
  'userinfo',
  'revocation',
  'introspection',
  'device_authorization',
])

/**
 * Before the client is known, any registered origin is answered (see the edge); once it is, a script must stand at an origin
 * of this very client. The library has the same rule in the CORS of its own, which is silent because ours has decided.
 */
function holdScriptsToTheirClient(provider: Provider): void {
  const context = (provider as unknown as { OIDCContext: { prototype: OidcContext } }).OIDCContext.prototype
  const { entity } = context
  if (!entity) throw new Error('the library no longer tells its context about the client')
  context.entity = function (this: OidcContext, name, value) {
    entity.call(this, name, value)
    const origin = this.ctx.get('Origin')
    if (name !== 'Client' || origin === '' || !CLIENT_ROUTES.has(this.route)) return
    if (policyOf(value as InstanceType<Provider['Client']>).allowedOrigins.includes(origin)) return
    this.ctx.remove('Access-Control-Allow-Origin')
    throw new errors.InvalidRequest('scripts of this origin may not act for this client')
  }
}

interface OidcContext {
  ctx: KoaContextWithOIDC
  route: string
  entity: (this: OidcContext, name: string, value: unknown) => void
}
