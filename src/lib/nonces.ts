/**
 * Nonces that nobody stores (RFC 9449 §8): a nonce is an HMAC of the minute in which it was made. Every instance with the
 * same secrets makes the same one and recognises those of the others.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export interface Nonces {
  /** The nonce of this minute. */
  next(): string
  /** Whether a nonce was made here, or beside, within {@link NONCE_SECONDS}. */
  isGood(nonce: string): boolean
}

const STEP_SECONDS = 60
const STEPS_BACK = 3

/** The longest time for which a nonce counts. */
export const NONCE_SECONDS = (STEPS_BACK + 1) * STEP_SECONDS

/**
 * @param secrets of 32 bytes, the current first: it makes nonces, the others still recognise theirs, so that a rotation
 * refuses nobody
 */
export function createNonces(secrets: readonly [Buffer, ...Buffer[]], now: () => number = Date.now): Nonces {
  let known: { step: number; next: string; good: Buffer[] } | undefined

  function window() {
    const step = Math.floor(now() / 1000 / STEP_SECONDS)
    if (known?.step === step) return known
    // One step ahead is good as well: the clock of the instance beside may be ahead of ours.
    const steps = Array.from({ length: STEPS_BACK + 2 }, (_, index) => step + 1 - index)
    const good = secrets.flatMap((secret) => steps.map((one) => nonceOf(secret, one)))
    known = { step, next: nonceOf(secrets[0], step).toString('base64url'), good }
    return known
  }

  return {
    next: () => window().next,
    isGood(nonce) {
      const given = Buffer.from(nonce, 'base64url')
      if (given.toString('base64url') !== nonce) return false
      return window().good.filter((good) => good.length === given.length && timingSafeEqual(good, given)).length > 0
    },
  }
}

function nonceOf(secret: Buffer, step: number): Buffer {
  return createHmac('sha256', secret).update(`nonce ${step}`).digest()
}
