/** What servers, load and the bare library have to agree upon. */
import type { SignatureAlgorithm } from '../scenario.ts'

export const REDIRECT_URI = 'https://app.example.com/callback'
export const PASSWORD = 'seven purple otters dance'
export const SCOPES = ['orders:read', 'orders:write']
/** What the app asks for of a person, and all that it asks for. */
export const PERSON_SCOPE = 'openid profile email'
export const APP_SCOPE = `${PERSON_SCOPE} offline_access ${SCOPES.join(' ')}`
/** An API for each algorithm that signs its access tokens. */
export const AUDIENCES: Record<SignatureAlgorithm, string> = {
  RS256: 'https://rs256.example.com',
  ES256: 'https://es256.example.com',
  Ed25519: 'https://ed25519.example.com',
}

/** One whose access tokens say nothing by themselves. */
export const OPAQUE = 'https://opaque.example.com'

export interface SeededClient {
  id: string
  secret: string
}

export interface SeededPerson {
  id: string
  username: string
}

export function basic({ id, secret }: SeededClient): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}
