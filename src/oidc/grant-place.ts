/**
 * The place in a browser session where the grant of one app stands. Tokens that end with the session count only while their
 * grant stands there, so of two tabs that open an app for the first time at once, one makes the grant and the other takes it.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'

export interface GrantPlace {
  /** The app's id of this session (OpenID Connect Back-Channel Logout §2.1). */
  sid: string
  grantId?: string | undefined
}

/** Thrown where a grant is stored: since this request looked, another took the place. */
export class GrantPlaceTaken extends Error {
  override readonly name = 'GrantPlaceTaken'
  readonly by: GrantPlace

  constructor(by: GrantPlace) {
    super('another request of this session made the grant')
    this.by = by
  }
}

/** Thrown where a grant is widened: since this request read it, another has widened it. Read it again. */
export class GrantChangedError extends Error {
  override readonly name = 'GrantChangedError'
}

const places = new WeakMap<KoaContextWithOIDC, GrantPlace>()

/** The next grant that this request stores is for the place, if it still looks like this there. */
export function claimPlace(ctx: KoaContextWithOIDC, place: GrantPlace): void {
  places.set(ctx, place)
}

export function claimedPlace(ctx: KoaContextWithOIDC | undefined): GrantPlace | undefined {
  return ctx && places.get(ctx)
}
