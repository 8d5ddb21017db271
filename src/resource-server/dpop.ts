/** Checks proofs of possession (RFC 9449 §4.3 and §7): that who presents a token holds the key that it is bound to. */
import { createHash } from 'node:crypto'
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify, type JWTPayload } from 'jose'
import { createNonces, type Nonces } from '../lib/nonces.ts'
import type { ReplayStore } from './replay-store.ts'
import type { ProofRefusals } from './token-error.ts'

export interface DpopOptions {
  /**
   * Where clients reach this API, one URL or several; the path of a request is put behind it. It is configured and never
   * taken from the request: whoever sends a `Host` header would choose what a proof has to say.
   */
  url: string | readonly string[]
  /** Shared by all instances, or a proof counts once on each. */
  replays: ReplayStore
  /** Refuses tokens that are not bound to a key. */
  required?: boolean
  /** JWS algorithms of proofs. Elliptic curves unless given: the key is the sender's, and RSA keys may be of any size. */
  algorithms?: readonly string[]
  /**
   * Secrets of 32 bytes, the same on all instances, the current one first. When given, every proof must hold a nonce that
   * was made with one of them in the last minutes (§9): nobody can make proofs ahead of time.
   */
  nonceSecrets?: readonly [Buffer, ...Buffer[]]
}

/** What came with a token of the DPoP scheme. */
export interface ProvenRequest {
  /** Every `DPoP` header. */
  proofs: readonly string[]
  method: string
  /** Path and query, as in the request line. */
  target: string
}

export interface ProofChecker {
  readonly algorithms: readonly string[]
  readonly required: boolean
  /**
   * @param thumbprint of the key that the token is bound to (`cnf.jkt`)
   * @returns a nonce to hand out with the answer, when the proof holds none or one that ends soon
   * @throws TokenError 401 for a proof that doesn't count, 503 when the store of replays fails
   */
  check(token: string, thumbprint: string, request: ProvenRequest, scope: string): Promise<string | undefined>
}

export const DPOP_ALGORITHMS: readonly string[] = ['ES256', 'Ed25519', 'EdDSA']

/** How old a proof may be. */
const LONGEST_SECONDS = 300
/** How far ahead a client's clock may be. */
const AHEAD_SECONDS = 30
/** A record outlives what it is about, also when the clock of whoever keeps it is ahead of ours. */
const KEPT_SECONDS = LONGEST_SECONDS + AHEAD_SECONDS + 90
const MAX_PROOF_LENGTH = 4 * 1024

interface Dependencies {
  refusals: ProofRefusals
  /** Milliseconds since the epoch. */
  now: () => number
}

/** @throws TypeError for a URL that no client could reach */
export function createProofChecker(options: DpopOptions, { refusals, now }: Dependencies): ProofChecker {
  const { replays, required = false, algorithms = DPOP_ALGORITHMS, nonceSecrets } = options
  const bases = [options.url].flat().map(baseOf)
  const nonces = nonceSecrets && createNonces(nonceSecrets, now)

  /** A proof that is sound and about this request. @throws Unsound */
  async function read(proof: string, token: string, { method, target }: ProvenRequest): Promise<Proof> {
    if (proof.length > MAX_PROOF_LENGTH) throw new Unsound('is too large')
    const { payload, protectedHeader } = await verified(proof)
    const { jti, iat, htm, htu, ath, nonce } = payload
    if (typeof jti !== 'string' || jti === '' || typeof iat !== 'number') throw new Unsound('lacks its id or its date')
    if (htm !== method) throw new Unsound('is for another method')
    const place = typeof htu === 'string' ? normalUrl(htu) : undefined
    if (place === undefined || !bases.some((base) => place === placeOf(base, target))) {
      throw new Unsound('is for another address')
    }
    if (ath !== createHash('sha256').update(token).digest('base64url')) throw new Unsound('is for another access token')
    const age = now() / 1000 - iat
    if (age < -AHEAD_SECONDS) throw new Unsound('is dated in the future')
    if (age > LONGEST_SECONDS) throw new Unsound('is too old')
    return { jti, nonce, thumbprint: await calculateJwkThumbprint(protectedHeader.jwk ?? {}) }
  }

  async function verified(proof: string) {
    if ('crit' in decodeProtectedHeader(proof)) throw new Unsound('has a critical header')
    return jwtVerify<JWTPayload & Partial<Record<'htm' | 'htu' | 'ath' | 'nonce', unknown>>>(proof, EmbeddedJWK, {
      algorithms: [...algorithms],
      typ: 'dpop+jwt',
      currentDate: new Date(now()),
    })
  }

  async function claim(jti: string, thumbprint: string): Promise<boolean> {
    const key = createHash('sha256').update(`${thumbprint} ${jti}`).digest('base64url')
    try {
      return await replays.claim(key, KEPT_SECONDS)
    } catch (error) {
      // Fails closed: a proof that nobody can remember could count any number of times.
      throw refusals.uncheckable(error)
    }
  }

  return {
    algorithms,
    required,
    async check(token, thumbprint, request, scope) {
      const { proofs } = request
      const [proof] = proofs
      if (proof === undefined || proofs.length > 1) throw refusals.proof('Exactly one DPoP header is needed', scope)
      const found = await read(proof, token, request).catch((error: unknown) => {
        const why = error instanceof Unsound ? error.message : 'is malformed or not signed by its key'
        throw refusals.proof(`The DPoP proof ${why}`, scope, error)
      })
      if (found.thumbprint !== thumbprint) throw refusals.invalid('The access token is bound to another key', scope)
      if (nonces && !isGood(nonces, found.nonce)) throw refusals.nonce(nonces.next(), scope)
      // Last, so that only who holds a good token and its key can fill the store.
      if (!(await claim(found.jti, thumbprint))) throw refusals.proof('The DPoP proof was used before', scope)
      return nonces && nonces.next() !== found.nonce ? nonces.next() : undefined
    },
  }
}

interface Proof {
  jti: string
  nonce: unknown
  thumbprint: string
}

class Unsound extends Error {}

function isGood(nonces: Nonces, nonce: unknown): boolean {
  return typeof nonce === 'string' && nonces.isGood(nonce)
}

/** Where a request to this target arrives; undefined for one that a URL would write otherwise, such as one with dots. */
function placeOf(base: string, target: string): string | undefined {
  const path = /^[^?#]*/.exec(target)?.[0] ?? ''
  if (!path.startsWith('/') || !URL.canParse(base + path)) return undefined
  const url = new URL(base + path)
  return url.origin + url.pathname === base + path ? normalUrl(url.href) : undefined
}

/** Without query and fragment, and with escapes as RFC 3986 §6.2.2 has them: `%7e` is `~`, and `%2f` is `%2F`. */
function normalUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { origin, pathname, username, password } = new URL(text)
  if (username !== '' || password !== '') return undefined
  return origin + pathname.replace(/%[\da-f]{2}/gi, normalEscape)
}

function normalEscape(escape: string): string {
  const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
  return /[\w.~-]/.test(character) ? character : escape.toUpperCase()
}

/** @throws TypeError */
function baseOf(url: string): string {
  const parsed = URL.parse(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search !== '' || parsed.hash !== '') {
    throw new TypeError('dpop.url must be an http(s) URL without query or fragment')
  }
  return parsed.origin + parsed.pathname.replace(/\/$/, '')
}
