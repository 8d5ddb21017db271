/**
 * `sessions` owns a person's view of where they are signed in: which browsers, since when, and how to end one. The rows
 * are written by the protocol; here they are only read and ended. It knows nothing of cookies.
 */
/** A browser in which someone is signed in. */
export interface Session {
  /** Names the session; not the value of its cookie. */
  uid: string
  userAgent: string | null
  address: string | null
  signedInAt: Date | null
  lastSeenAt: Date
  expiresAt: Date
}
