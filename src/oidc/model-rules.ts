/**
 * Where a rule of ours lives inside a model of the library's. Each override is a documented method or, where it is not, a
 * contract test holds the library to it.
 */
import { createHmac } from 'node:crypto'
import { Provider } from 'oidc-provider'
import { derive, type MasterKeys } from '../lib/master-key.ts'
import { verifyClientSecret } from '../registry/clients/secret.ts'
import type { Sessions } from './adapter/sessions.ts'
import { policyOf } from './configuration/client-metadata.ts'

export function applyModelRules(
  provider: Provider,
  { masterKeys, sessions }: { masterKeys: MasterKeys; sessions: Sessions },
): void {
  compareSecretsByDigest(provider)
  deriveSuccessors(provider, derive(masterKeys, 'refresh-successor')[0])
  changeSessionIds(provider, sessions)
  endSessionsForGood(provider, sessions)
  leaveUnknownSessionsAlone(provider)
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
function deriveSuccessors(provider: Provider, key: Buffer): void {
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
