import type { Database } from '../database/connect.ts'
import type { Actor } from '../lib/actor.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import { changeKeys, type KeyChange } from './key-change.ts'
import type { KeyPolicy } from './key-policy.ts'
import type { SigningAlg } from './signing-key.ts'
import { planTurnOver, readyAt } from './turn-over.ts'

export interface RotateOptions {
  /** Left out: every algorithm of the policy. */
  alg?: SigningAlg
  policy: KeyPolicy
  masterKeys: MasterKeys
  actor: Actor
  /** Promotes the next key even if verifiers may not have seen it. For a key that may be known to others, `revokeKey` is better. */
  emergency?: boolean
}

export type Rotation =
  | { readonly alg: SigningAlg; readonly rotated: true; readonly kid: string; readonly retired: string | undefined }
  | {
      readonly alg: SigningAlg
      readonly rotated: false
      /** The key that goes on signing. */
      readonly kid: string
      /** The first instant at which a rotation breaks no verifier. */
      readonly possibleAt: Date
    }

/**
 * Hands signing over to the next key now, by hand. Without `emergency` an algorithm whose next key was not published for
 * `publishSeconds` stays as it is, and the answer says from when on it can be done.
 * @returns one entry for each algorithm asked for
 * @throws RangeError when the policy keeps no keys for `alg`
 */
export async function rotateKeys(db: Database, options: RotateOptions): Promise<Rotation[]> {
  const { alg, policy, masterKeys, actor, emergency = false } = options
  if (alg !== undefined && !policy.algorithms.includes(alg)) {
    throw new RangeError(`no keys are kept for ${alg}; there are ${policy.algorithms.join(', ')}`)
  }
  const force = alg === undefined ? policy.algorithms : [alg]
  const change = await changeKeys(db, {
    masterKeys,
    actor,
    plan: (keys, now) => planTurnOver(keys, { policy, now, force, emergency }),
  })
  return force.map((each) => outcome(each, change, policy))
}

function outcome(alg: SigningAlg, { before, after }: KeyChange, policy: KeyPolicy): Rotation {
  const was = before.find((key) => key.alg === alg && key.state === 'current')
  const is = after.find((key) => key.alg === alg && key.state === 'current')
  const next = after.find((key) => key.alg === alg && key.state === 'next')
  if (!is || !next) throw new Error(`${alg} was left without a current and a next key`)
  if (is.kid !== was?.kid) return { alg, rotated: true, kid: is.kid, retired: was?.kid }
  return { alg, rotated: false, kid: is.kid, possibleAt: readyAt(next, policy) }
}
