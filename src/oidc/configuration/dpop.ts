/**
 * Sender-constrained tokens (RFC 9449). The library verifies proofs; what it leaves open is decided here: which signatures
 * count, how a proof is known to be fresh, and that each counts once over all instances.
 */
import { errors, Provider, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import { get as internalsOf } from 'oidc-provider/lib/helpers/weak_cache.js'
import { derive, type MasterKeys } from '../../lib/master-key.ts'
import { createNonces } from '../../lib/nonces.ts'
import type { Replays } from '../adapter/replays.ts'

/**
 * Elliptic curves only. The key of a proof is the sender's to choose: an RSA key of any size would make verifying as dear
 * as they like, and its public half travels in every request. `EdDSA` is the older name of `Ed25519` (RFC 9864).
 */
export const DPOP_ALGORITHMS = ['ES256', 'Ed25519', 'EdDSA'] as const

/** RFC 9449 §11.1: a proof counts for a short time only, whatever stands in it. */
const LONGEST_SECONDS = 300
/** Clocks differ; a proof from further ahead was made to be used later. */
const AHEAD_SECONDS = 30

type Features = NonNullable<Configuration['features']>

export function dpop(masterKeys: MasterKeys): NonNullable<Features['dPoP']> {
  return {
    enabled: true,
    nonceSecret: derive(masterKeys, 'dpop-nonce')[0],
    // A nonce proves that a proof was made just now, and not ahead of time by whoever had the key for a moment (§11.2).
    requireNonce(ctx) {
      refuseUntimely(ctx)
      return true
    },
  }
}

/**
 * The library makes nonces from one secret. With the retired ones beside it, a rotation of the master key refuses nobody,
 * and instances that are restarted one after the other understand each other's. There is no other way to hand several over.
 */
export function acceptRetiredNonces(provider: Provider, masterKeys: MasterKeys): void {
  const internals = internalsOf(provider)
  if (!internals?.DPoPNonces) throw new Error('the library no longer keeps its nonces where they were')
  const nonces = createNonces(derive(masterKeys, 'dpop-nonce'))
  internals.DPoPNonces = {
    nextChallenge: () => nonces.next(),
    checkChallenge: (nonce) => nonces.isGood(nonce),
  }
}

/**
 * The library looks for a proof's id and then writes it down, so that two at once would both be first; and it answers a
 * replay with `invalid_grant`, for which a client throws its refresh token away.
 */
export function claimProofs(provider: Provider, replays: Replays): void {
  const model = provider.ReplayDetection as unknown as {
    unique?: (sender: string, id: string, expiresAt: number) => Promise<boolean>
  }
  if (!model.unique) throw new Error('the library no longer asks ReplayDetection whether an id is new')
  model.unique = async (sender, id, expiresAt) => {
    if (await replays.claim(sender, id, expiresAt - Date.now() / 1000)) return true
    const { ctx } = Provider
    // Which of the two it was makes the error and nothing else: proofs and assertions share one store.
    if (ctx && proofClaims(ctx)?.jti === id) throw new errors.InvalidDpopProof('the DPoP proof was used before')
    return false
  }
}

/**
 * With a nonce in it the library takes a proof of any date. Ours is held to its date all the same: a wrong clock shows
 * itself, and no proof outlives the record of its use.
 * @throws InvalidDpopProof
 */
function refuseUntimely(ctx: KoaContextWithOIDC): void {
  const { iat } = proofClaims(ctx) ?? {}
  // What is no number the library refuses, with words of its own.
  if (typeof iat !== 'number') return
  const age = Date.now() / 1000 - iat
  if (age < -AHEAD_SECONDS) throw new errors.InvalidDpopProof('the DPoP proof is dated in the future')
  if (age > LONGEST_SECONDS) throw new errors.InvalidDpopProof('the DPoP proof is too old')
}

/** What the proof of this request says, not verified. */
function proofClaims(ctx: KoaContextWithOIDC): { iat?: unknown; jti?: unknown } | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(ctx.get('DPoP').split('.')[1] ?? '', 'base64url').toString())
    return typeof claims === 'object' && claims !== null ? claims : undefined
  } catch {
    return undefined
  }
}
