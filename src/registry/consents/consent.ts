/**
 * `consents` owns what people allowed apps to do: one row for a user and a client with the OpenID scopes, and one for each
 * resource server. It outlives browsers and sessions. It does not know what a token is; the grants that are minted from a
 * consent belong to the protocol and end through `revocation.ts`.
 */

/** What a person allowed one app. */
export interface ConsentedScopes {
  openid: string[]
  /** Scopes by the audience of the resource server. */
  resources: Record<string, string[]>
}

/** The same with its times, for the record. */
export interface Consent extends ConsentedScopes {
  /** When the person last said yes. */
  grantedAt: Date
  /** The earliest end of any part of it; null when it does not end. */
  expiresAt: Date | null
}

/** The same with the app that it was given to. */
export interface ClientConsent extends Consent {
  clientId: string
  clientName: string
}

/** An app that may act for a person, or has a live token, as the account page shows it. */
export interface ConnectedApp {
  clientId: string
  name: string
  firstParty: boolean
  openid: string[]
  resources: ConnectedResource[]
  /** When the person last said yes; null for an app of the operator's own that needed no asking. */
  consentedAt: Date | null
  /** When the consent ends; null when it does not. */
  expiresAt: Date | null
  /** Token families that are alive: one for each sign-in with the app that lasts. */
  liveFamilies: number
  lastUsedAt: Date | null
  /** Where the app sends the browser: host, or scheme for an app on a device. */
  redirectHosts: string[]
}

export interface ConnectedResource {
  audience: string
  name: string
  scopes: { name: string; description: string; descriptionDe: string | null }[]
}
