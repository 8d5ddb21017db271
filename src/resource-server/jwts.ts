/**
 * Reads access tokens that are JWTs, as RFC 9068 §4 and RFC 8725 ask, and remembers which were good: the same token comes
 * with request after request, and its signature says the same each time.
 *
 * What is remembered is no more than "this text was verified with these keys". It counts only while the issuer publishes
 * that very key set; with any other, and outside of the token's own times, the token is verified anew. Whatever else can end
 * a token the verifier asks for each time. A text is known by its SHA-256, and its claims are read from what was sent: a
 * heap dump holds nothing that anybody could present, how long a look takes tells nothing of other tokens, and what one
 * request does to its claims no other sees.
 */
import { decodeJwt, decodeProtectedHeader, jwtVerify, type JWTPayload } from 'jose'
import { digestOf } from './digest.ts'
import type { KeySource, PublishedKeys } from './jwks.ts'
import { assertPlausible, Implausible } from './plausible.ts'
import { createShortMemory } from './short-memory.ts'

export interface JwtsOptions {
  keys: Pick<KeySource, 'keyFor' | 'current'>
  issuer: string
  audience: string
  algorithms: readonly string[]
  clockToleranceSeconds: number
  /** Milliseconds since the epoch. */
  now: () => number
  /** How many tokens are remembered; the oldest go first. */
  mostRemembered?: number
}

export interface Jwts {
  /**
   * The claims of a token that is good now.
   * @throws KeysUnavailableError, Implausible or an error of `jose`
   */
  read(token: string): Promise<JWTPayload>
}

/** About 200 bytes each. */
const MOST_REMEMBERED = 10_000

export function createJwts(options: JwtsOptions): Jwts {
  const { keys, issuer, audience, clockToleranceSeconds, now, mostRemembered = MOST_REMEMBERED } = options
  const algorithms = [...options.algorithms]
  /** The key that verified a token is one of these. */
  const verifiedWith = createShortMemory<PublishedKeys>({ most: mostRemembered, now })

  async function verify(token: string, digest: string): Promise<JWTPayload> {
    assertPlainHeader(token)
    const used = Promise.withResolvers<PublishedKeys>()
    const keyFor = async (header: Parameters<KeySource['keyFor']>[0]) => {
      const found = await keys.keyFor(header)
      used.resolve(found.keys)
      return found.key
    }
    const { payload } = await jwtVerify(token, keyFor, {
      algorithms,
      issuer,
      audience,
      typ: 'at+jwt', // RFC 9068 §4: an ID token or any other JWT of the same issuer must not pass for an access token
      requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(now()),
    })
    assertPlausible(payload, now() / 1000 + clockToleranceSeconds)
    verifiedWith.keep(digest, await used.promise, Number(payload.exp) * 1000)
    return payload
  }

  /** Never for longer than `jose` would say: what is within the tolerance at its end is verified anew. */
  function isInTime({ nbf = 0, iat = Infinity, exp = 0 }: JWTPayload): boolean {
    const seconds = now() / 1000
    return seconds < exp && Math.max(nbf, iat) <= seconds + clockToleranceSeconds
  }

  /** Undefined of a token that must be verified, for the first time or anew. */
  async function recall(token: string, digest: string): Promise<JWTPayload | undefined> {
    const known = verifiedWith.get(digest)
    // The keys are asked for each time: that is what fetches them anew, and what fails when they are too old to trust.
    if (!known || known !== (await keys.current())) return undefined
    const claims = decodeJwt(token)
    return isInTime(claims) ? claims : undefined
  }

  return {
    async read(token) {
      const digest = digestOf(token)
      const known = await recall(token, digest)
      if (known) return known
      verifiedWith.forget(digest)
      return verify(token, digest)
    },
  }
}

/** Extensions change what a signature means; none is understood, so none passes (RFC 7515 §4.1.11). */
function assertPlainHeader(token: string): void {
  if ('crit' in decodeProtectedHeader(token)) throw new Implausible('critical header')
}
