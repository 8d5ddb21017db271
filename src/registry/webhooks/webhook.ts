/**
 * `webhooks` owns who is told of events at which URL: the subscription, its secret, its state. It does not deliver; that is
 * `events/webhooks`, which reads the same table. A secret is made here, shown once and kept sealed, because it must be read
 * back to sign with.
 */
import { randomBytes } from 'node:crypto'
import { typesOf } from '../../events/channels.ts'
import { normalText, plainTextProblem } from '../../lib/plain-text.ts'
import { strangerUrlProblem } from '../../outbound/stranger.ts'
import { RegistryError } from '../registry-error.ts'

/** `paused`: events wait until it is active again. `disabled`: the receiver said that it is gone, or its owner's rights are. */
export type WebhookState = 'active' | 'paused' | 'disabled'

export interface Webhook {
  /** `whk_…` */
  id: string
  url: string
  description: string
  /** `user.created`, `user.*` or `*`. */
  events: string[]
  legacyHeaders: boolean
  state: WebhookState
  stateReason: string | null
  /** By whose rights it sees events: the id of a user, client or API key. */
  owner: string
  /** Until when deliveries are signed with the secret before as well. */
  previousSecretUntil: Date | null
  /** Attempts that failed since the last that did not. */
  failures: number
  failingSince: Date | null
  lastDeliveredAt: Date | null
  version: number
  createdAt: Date
  updatedAt: Date
}

export interface WebhookSettings {
  url: string
  description: string
  events: string[]
  legacyHeaders: boolean
}

/** What a secret is sealed for. */
export const SECRET_PURPOSE = 'webhook-secret'

const LONGEST_DESCRIPTION = 500
const MOST_PATTERNS = 100

/** 32 random bytes as Standard Webhooks writes them: `whsec_<base64>`. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

/**
 * Settings in their normal form.
 * @throws RegistryError `invalid` with the field at fault
 */
export function checkedSettings(given: WebhookSettings, { allowPrivate }: { allowPrivate: boolean }): WebhookSettings {
  const problem = strangerUrlProblem(given.url, { allowPrivate })
  if (problem) throw new RegistryError('invalid', `the URL ${problem}`, 'url')
  const description = normalText(given.description)
  const wrong = description === '' ? undefined : plainTextProblem(description, LONGEST_DESCRIPTION)
  if (wrong) throw new RegistryError('invalid', `the description ${wrong}`, 'description')
  return { ...given, description, events: checkedPatterns(given.events) }
}

function checkedPatterns(given: readonly string[]): string[] {
  const patterns = [...new Set(given)]
  if (patterns.length === 0 || patterns.length > MOST_PATTERNS) {
    throw new RegistryError('invalid', `events must name 1 to ${MOST_PATTERNS} types of events`, 'events')
  }
  const unknown = patterns.find((pattern) => !typesOf(pattern))
  if (unknown === undefined) return patterns
  const shown = JSON.stringify(unknown.slice(0, 100))
  throw new RegistryError('invalid', `there is no event ${shown}; user.created, user.* and * are such names`, 'events')
}
