/**
 * What a client may be that registered itself. Nobody vouches for it: it is whoever says so, and anybody may say anything.
 * So it acts for people alone, each of whom is asked every time; and it may ask for what operators opened to all such
 * clients (see queries.ts), never for the management API.
 */
import { RegistryError } from '../registry-error.ts'
import type { AccessRequest } from './access.ts'
import type { ClientKind, ClientSettings, GrantType } from './client.ts'

export const selfRegisteredGrantTypes = ['authorization_code', 'refresh_token'] as const satisfies GrantType[]

/** Of these grants, those that such a client may use. */
export function boundGrantTypes(grantTypes: readonly string[]): GrantType[] {
  return selfRegisteredGrantTypes.filter((grant) => grantTypes.includes(grant))
}

/**
 * @throws RegistryError `invalid` with the field at fault
 */
export function checkSelfRegistered(
  kind: ClientKind,
  settings: ClientSettings,
  access: readonly AccessRequest[] | undefined,
): void {
  const stray = settings.grantTypes.find((grant) => !selfRegisteredGrantTypes.some((allowed) => allowed === grant))
  if (kind === 'service' || stray !== undefined) {
    const allowed = selfRegisteredGrantTypes.join(' and ')
    throw invalid('grant_types', `a client that registered itself may use ${allowed}, not ${stray ?? 'less'}`)
  }
  if (settings.firstParty) throw invalid('first_party', 'a client that registered itself always asks for consent')
  const strange = [...settings.redirectUris, ...settings.postLogoutRedirectUris].find((uri) => !/^https?:/.test(uri))
  if (strange !== undefined) {
    const field = settings.redirectUris.includes(strange) ? 'redirect_uris' : 'post_logout_redirect_uris'
    // Any app on a device may claim a scheme (RFC 8252 §8.6): with a stranger's name in front of it, nobody could tell whose.
    throw invalid(field, 'a client that registered itself may be at https, or at http on loopback')
  }
  if (access !== undefined && access.length > 0) {
    throw invalid('access', 'a client that registered itself may ask for what resources open to all such clients')
  }
}

function invalid(field: string, message: string): RegistryError {
  return new RegistryError('invalid', message, field)
}
