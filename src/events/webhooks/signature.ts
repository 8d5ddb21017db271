/** How a delivery is signed: Standard Webhooks 1.0, and beside it the older form that many receivers know. */
import { createHmac } from 'node:crypto'

export interface Message {
  /** The same at every attempt: by this a receiver knows a message that it has had. */
  id: string
  /** Seconds since 1970, of this attempt. */
  timestamp: number
  body: string
}

/**
 * The headers of one attempt. During a rotation there is a signature for each secret, the new one first.
 * @param secrets `whsec_<base64>`
 * @param legacy also `X-Webhook-*`; its signature covers the body only, so it alone does not keep a message from being replayed
 */
export function signedHeaders(
  { id, timestamp, body }: Message,
  secrets: readonly string[],
  { legacy = false } = {},
): Record<string, string> {
  const content = `${id}.${timestamp}.${body}`
  const signatures = secrets.map((secret) => `v1,${hmac(keyOf(secret), content).toString('base64')}`)
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
  const [current = ''] = secrets
  if (!legacy) return headers
  return {
    ...headers,
    'x-webhook-id': id,
    'x-webhook-timestamp': String(timestamp),
    'x-webhook-signature': `sha256=${hmac(Buffer.from(current), body).toString('hex')}`,
  }
}

/** Standard Webhooks signs with the bytes, not with the text that stands for them. */
function keyOf(secret: string): Buffer {
  return Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
}

function hmac(key: Buffer, content: string): Buffer {
  return createHmac('sha256', key).update(content).digest()
}
