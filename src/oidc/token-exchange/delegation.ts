import type { KoaContextWithOIDC } from 'oidc-provider'

/** RFC 8693 §4.1: who acts for the subject; nested, the one before. */
export interface Actor {
  sub: string
  act?: Actor
}

/** What an exchanged token says beyond what the library puts into it. */
export interface Delegation {
  act: Actor
  /** Of the sign-in behind the subject token, as far as that says. */
  authTime?: unknown
  acr?: unknown
}

const delegations = new WeakMap<KoaContextWithOIDC, Delegation>()

/** From here on, a token that this request issues is an exchanged one. */
export function delegate(ctx: KoaContextWithOIDC, delegation: Delegation): void {
  delegations.set(ctx, delegation)
}

export function delegationOf(ctx: KoaContextWithOIDC): Delegation | undefined {
  return delegations.get(ctx)
}

/** The actor in claims that we have signed or stored. */
export function actorOf(claim: unknown): Actor | undefined {
  return typeof claim === 'object' && claim !== null && 'sub' in claim ? (claim as Actor) : undefined
}

/** How many act one behind the other. */
export function depthOf(actor: Actor | undefined): number {
  return actor ? 1 + depthOf(actor.act) : 0
}
