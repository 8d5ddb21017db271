import { strangerUrlProblem, type StrangerPolicy } from '../../outbound/stranger.ts'
import { RegistryError } from '../registry-error.ts'
import type { ClientKind, ClientSettings } from './client.ts'

type LogoutSettings = Pick<ClientSettings, 'backchannelLogoutUri' | 'backchannelLogoutSessionRequired' | 'openidScopes'>

/**
 * What a client may say of back-channel logout, wherever the server stands.
 * @throws RegistryError `invalid` with the field at fault
 */
export function checkLogoutUri(kind: ClientKind, settings: LogoutSettings): void {
  const { backchannelLogoutUri: uri, backchannelLogoutSessionRequired: isSessionRequired, openidScopes } = settings
  if (uri === null) {
    if (!isSessionRequired) return
    const message = 'a client without backchannel_logout_uri is told of no session'
    throw new RegistryError('invalid', message, 'backchannel_logout_session_required')
  }
  // A device has no address at which it could be told, and a service signs nobody in.
  if (kind !== 'web' && kind !== 'spa') throw refused(`is for web and spa clients, not for a ${kind} client`)
  if (!openidScopes.includes('openid')) throw refused('is for clients with openid: without it they know of no session')
  requireLogoutUri(uri, { allowPrivate: true })
}

/**
 * Whether this server would send there: the same rules as for webhooks.
 * @throws RegistryError `invalid`
 */
export function requireLogoutUri(uri: string | null, policy: StrangerPolicy): void {
  const problem = uri === null ? undefined : strangerUrlProblem(uri, policy)
  if (problem) throw refused(problem)
}

function refused(why: string): RegistryError {
  return new RegistryError('invalid', `backchannel_logout_uri ${why}`, 'backchannel_logout_uri')
}
