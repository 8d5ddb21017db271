import { signingAlgs, type SigningAlg } from './signing-key.ts'

/** When keys change, in seconds of the database's clock. */
export interface KeyPolicy {
  /** Age at which the current key hands over. */
  readonly rotationSeconds: number
  /** How long a key must stand in the JWKS before it may sign. */
  readonly publishSeconds: number
  /** How long after its retirement something signed by a key may still be verified: the longest life of any such thing. */
  readonly retainSeconds: number
  /** An instance that hears of no change looks for itself at least this often. */
  readonly pollSeconds: number
  /** `Cache-Control: max-age` of the JWKS. */
  readonly jwksMaxAgeSeconds: number
  /** Algorithms to keep keys for. One that is dropped from here ends when its current key is old. */
  readonly algorithms: readonly SigningAlg[]
}

/** 30 days, an hour, a minute, ten minutes; how long to retain follows from the lifetimes of tokens and sessions. */
export const keyPolicyDefaults = {
  rotationSeconds: 2_592_000,
  publishSeconds: 3600,
  pollSeconds: 60,
  jwksMaxAgeSeconds: 600,
  algorithms: signingAlgs,
} as const satisfies Omit<KeyPolicy, 'retainSeconds'>

/**
 * The longest that an instance may act on an older set than the database holds: one poll, and another in case the first
 * one failed. For so long it may publish without a new key, and sign with one just retired.
 */
export function lagSeconds({ pollSeconds }: Pick<KeyPolicy, 'pollSeconds'>): number {
  return 2 * pollSeconds
}

/**
 * What is wrong with a policy, one sentence each, saying how to mend it; empty when it is sound. Sound means that a
 * verifier which fetches the JWKS once per max-age, and never because of a `kid` that it doesn't know, never refuses a
 * token: in the worst case it fetched from an instance that was about to learn of the key, and keeps that for max-age.
 */
export function keyPolicyProblems(policy: KeyPolicy): string[] {
  const { rotationSeconds, publishSeconds, retainSeconds, pollSeconds, jwksMaxAgeSeconds, algorithms } = policy
  const durations = { rotationSeconds, publishSeconds, retainSeconds, pollSeconds, jwksMaxAgeSeconds }
  const problems = Object.entries(durations)
    .filter(([, seconds]) => !(Number.isFinite(seconds) && seconds > 0))
    .map(([name]) => `${name} must be a number of seconds above 0`)
  if (problems.length > 0) return problems

  const soonest = jwksMaxAgeSeconds + lagSeconds(policy)
  if (publishSeconds <= soonest) {
    problems.push(
      `publishSeconds (KEY_PUBLISH_SECONDS, ${publishSeconds}) must exceed ${soonest}: jwksMaxAgeSeconds (JWKS_MAX_AGE_SECONDS, ` +
        `${jwksMaxAgeSeconds}) plus twice pollSeconds (KEY_POLL_SECONDS, ${pollSeconds}), or verifiers meet tokens whose key ` +
        'they have not seen; raise it, or lower the other two',
    )
  }
  if (rotationSeconds < publishSeconds) {
    problems.push(
      `rotationSeconds (KEY_ROTATION_SECONDS, ${rotationSeconds}) must not be below publishSeconds (KEY_PUBLISH_SECONDS, ` +
        `${publishSeconds}): the next key can't be ready sooner; raise it`,
    )
  }
  // OpenID Connect Discovery §3: RS256 MUST be among the algorithms for ID tokens.
  if (!algorithms.includes('RS256')) problems.push('algorithms must include RS256, which signs ID tokens; add it')
  if (new Set(algorithms).size !== algorithms.length) problems.push('algorithms names one twice; remove it')
  return problems
}

/** How many keys of one algorithm the JWKS holds in the long run: those retained, the current one and the next. */
export function keysPerAlgorithm({ rotationSeconds, retainSeconds }: KeyPolicy): number {
  return Math.ceil(retainSeconds / rotationSeconds) + 2
}
