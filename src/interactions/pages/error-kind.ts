import type { Messages } from './messages/index.ts'

export type ErrorKind = keyof Messages['error']['kinds']

// RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6, RFC 8707 §2, RFC 9101 §7 and the provider's own codes, by what they mean
// to the person in front of the page.
const KINDS: ReadonlyMap<string, ErrorKind> = new Map([
  ['access_denied', 'denied'],
  ['invalid_client', 'unknownApp'],
  ['invalid_redirect_uri', 'returnAddress'],
  ['unauthorized_client', 'notAllowed'],
  ['invalid_scope', 'notAllowed'],
  ['invalid_target', 'notAllowed'],
  ['login_required', 'signIn'],
  ['consent_required', 'signIn'],
  ['interaction_required', 'signIn'],
  ['account_selection_required', 'signIn'],
  ['too_many_requests', 'tooMany'],
  ['slow_down', 'tooMany'],
  ['temporarily_unavailable', 'busy'],
  ['server_error', 'ours'],
])

/** What an OAuth error code means to a person. Every other code says that the client sent something wrong. */
export function errorKind(code: string): ErrorKind {
  return KINDS.get(code) ?? 'appMistake'
}
