import { createHmac, timingSafeEqual } from 'node:crypto'
import type { VerifyDelivery } from './receive.ts'

const TOLERANCE_SECONDS = 300

/** Standard Webhooks 1.0: HMAC-SHA256 over id, time and the bytes of the content; several signatures may stand side by side. */
export function createDeliveryVerifier(secret: string): VerifyDelivery {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return (body, headers) => {
    const [id, time, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => headers[name])
    if (typeof id !== 'string' || typeof time !== 'string' || typeof signatures !== 'string') return false
    if (!/^\d{1,12}$/.test(time) || Math.abs(Date.now() / 1000 - Number(time)) > TOLERANCE_SECONDS) return false
    const expected = createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest()
    return signatures.split(' ').some((entry) => {
      const given = Buffer.from(entry.startsWith('v1,') ? entry.slice(3) : '', 'base64')
      return given.length === expected.length && timingSafeEqual(given, expected)
    })
  }
}
