import { verifyWebhook, WebhookVerificationError } from '../../client/index.ts'
import type { VerifyDelivery } from './receive.ts'

/** By the library that every receiver of these webhooks can use. */
export function createDeliveryVerifier(secret: string): VerifyDelivery {
  return (body, headers) => {
    try {
      verifyWebhook({ headers, body, secrets: secret })
      return true
    } catch (error) {
      if (error instanceof WebhookVerificationError) return false
      throw error
    }
  }
}
