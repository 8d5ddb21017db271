/**
 * `token-families` owns the view of what people let apps do for them at the moment: a grant with every code, access token and
 * refresh token that came of it, which live and end together. The protocol writes them; here they are only read and revoked.
 * It never sees a token.
 */
export interface TokenFamily {
  /** Names the grant; opens nothing. */
  id: string
  clientId: string
  clientName: string
  /** The browser session in which it was granted; that may have ended since. */
  sessionUid: string | null
  openid: string[]
  /** Scopes by the audience of the resource server. */
  resources: Record<string, string[]>
  createdAt: Date
  /** When the last refresh token of it ends, however often it is renewed. */
  expiresAt: Date
  /** null: no refresh token of it was used yet. */
  lastRefreshedAt: Date | null
}
