import type { Database } from '../database/connect.ts'
import type { Actor } from '../lib/actor.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import { changeKeys, type KeyChange, type Plan } from './key-change.ts'
import { lagSeconds, type KeyPolicy } from './key-policy.ts'
import type { KeyState, PublishedKey, SigningAlg } from './signing-key.ts'
import { planTurnOver, readyAt } from './turn-over.ts'

export interface RevokeOptions {
  kid: string
  policy: KeyPolicy
  masterKeys: MasterKeys
  actor: Actor
}

export interface Revocation {
  readonly kid: string
  readonly alg: SigningAlg
  /** What it was. */
  readonly state: KeyState
  /** The key that signs now; the same as before unless the revoked one was current. */
  readonly signer: string | undefined
  /** Until then a verifier that holds the JWKS may still accept what the revoked key signed. */
  readonly acceptedUntil: Date
  /** Set when another key took over before every verifier could know it: until then some may refuse good tokens. */
  readonly refusedUntil: Date | undefined
  /** What breaks, one sentence each, for the person who does this. */
  readonly consequences: readonly string[]
}

/**
 * Takes a key out of use at once, whatever its state, for the case that someone else may hold its private half. It leaves
 * the JWKS, is erased from the database, and what it signed is worth nothing any more. If it was current, the next key takes
 * over however young it is.
 * @returns undefined when there is no such key, so that a repeated call does no harm
 */
export async function revokeKey(db: Database, options: RevokeOptions): Promise<Revocation | undefined> {
  const { kid, policy, masterKeys, actor } = options
  const change = await changeKeys(db, { masterKeys, actor, plan: planRevocation(kid, policy) })
  const revoked = change.before.find((key) => key.kid === kid)
  return revoked && describe(revoked, change, policy)
}

function planRevocation(kid: string, policy: KeyPolicy): Plan {
  return (keys, now) => {
    const revoked = keys.find((key) => key.kid === kid)
    if (!revoked) return []
    const rest = keys.filter((key) => key !== revoked)
    return [{ do: 'revoke', alg: revoked.alg, kid }, ...planTurnOver(rest, { policy, now })]
  }
}

function describe(revoked: PublishedKey, { at, after }: KeyChange, policy: KeyPolicy): Revocation {
  const { kid, alg, state } = revoked
  const signer = after.find((key) => key.alg === alg && key.state === 'current')
  const ready = signer && readyAt(signer, policy)
  const facts = {
    kid,
    alg,
    state,
    signer: signer?.kid,
    acceptedUntil: new Date(at.getTime() + (policy.jwksMaxAgeSeconds + lagSeconds(policy)) * 1000),
    refusedUntil: state === 'current' && ready && ready > at ? ready : undefined,
  }
  return { ...facts, consequences: consequences(facts) }
}

function consequences({ alg, state, acceptedUntil, refusedUntil }: Omit<Revocation, 'consequences'>): string[] {
  if (state === 'next') return ['Nothing was signed with this key; nothing breaks.']
  return [
    'Every token signed with this key is refused as soon as its verifier reads the JWKS again; clients need new ones.',
    `A verifier that holds the JWKS may accept such tokens until ${acceptedUntil.toISOString()}.`,
    ...(alg === 'RS256' ? ['ID tokens signed with this key no longer identify the session at logout.'] : []),
    ...(refusedUntil
      ? [
          `The new signer was published a short time ago: a verifier that holds the JWKS and does not fetch it again ` +
            `for an unknown key may refuse new tokens until ${refusedUntil.toISOString()}.`,
        ]
      : []),
  ]
}
