/**
 * What is known to have ended, by the events that told it: tokens and token families by their id, and for people, clients and what a
 * person allowed a client the time up to which everything issued has ended. Everything is forgotten when no token of that
 * time can be alive any more, so the memory holds no more than what ends in the life of one token.
 */
import type { VerifiedToken } from './verified-token.ts'

/** As much of an event as counts here, in the form in which Grantry tells it. */
export interface RevocationEvent {
  /** `grant.revoked`, `user.disabled` and so on; others are passed over. */
  type: string
  /** ISO 8601. */
  at: string
  subject: string | null
  user_id: string | null
  client_id: string | null
  data: Readonly<Record<string, unknown>>
}

export type RevocableToken = Pick<VerifiedToken, 'subject' | 'clientId' | 'grantId' | 'tokenId' | 'issuedAt'>

export interface Revoked {
  hear: (event: RevocationEvent) => void
  has: (token: RevocableToken) => boolean
  /** Lets go of what no living token can meet. */
  forget: () => void
  size: () => number
}

interface Ending {
  /** Tokens issued at this time or before, in milliseconds since 1970, have ended. */
  upTo: number
  forgetAt: number
}

/** Until it is said otherwise, whatever is issued: a request that was under way may still have got a token. */
const EVERYTHING = Number.POSITIVE_INFINITY

/** @param keepMs the longest life of a token, and what clocks may differ by */
export function createRevoked({ keepMs, now }: { keepMs: number; now: () => number }): Revoked {
  // In the order in which they were told, which is that in which they are forgotten.
  const endings = new Map<string, Ending>()

  function end(key: string, upTo: number, at: number): void {
    const known = endings.get(key)
    endings.delete(key)
    endings.set(key, { upTo: Math.max(upTo, known?.upTo ?? upTo), forgetAt: at + keepMs })
  }

  function forget(): void {
    const time = now()
    for (const [key, { forgetAt }] of endings) {
      if (forgetAt > time) return
      endings.delete(key)
    }
  }

  return {
    hear(event) {
      const rule = ruleOf(event.type)
      if (!rule) return
      const parsed = Date.parse(event.at)
      const at = Number.isNaN(parsed) ? now() : parsed
      const key = rule.key(event)
      if (rule.ends === 'nothing more') endings.delete(key)
      end(key, rule.ends === 'everything' ? EVERYTHING : at, at)
      forget()
    },
    has({ subject, clientId, grantId, tokenId, issuedAt }) {
      const keys = [single(tokenId), person(subject), client(clientId), consent(subject, clientId)]
      if (grantId !== undefined) keys.push(family(grantId))
      const time = issuedAt.getTime()
      // A time of issue is in whole seconds: of the second in which something ended everything has ended.
      return keys.some((key) => time <= (endings.get(key)?.upTo ?? Number.NEGATIVE_INFINITY))
    },
    forget,
    size: () => endings.size,
  }
}

interface Rule {
  /** What it is that ends. */
  key: (event: RevocationEvent) => string
  /**
   * `everything`, also what is issued later; what was issued `until now`; or `nothing more`: what was issued until now has
   * ended, and what is issued from now on is good again.
   */
  ends: 'everything' | 'until now' | 'nothing more'
}

const single = (id: unknown) => `token ${String(id)}`
const family = (id: string | null) => `family ${id}`
const person = (id: string | null) => `user ${id}`
const client = (id: string | null) => `client ${id}`
const consent = (userId: string | null, clientId: string | null) => `consent ${userId} ${clientId}`

const FAMILY: Rule = { key: ({ subject }) => family(subject), ends: 'everything' }
const ofUser = (ends: Rule['ends']): Rule => ({ key: (event) => person(event.subject), ends })
const ofClient = (ends: Rule['ends']): Rule => ({ key: (event) => client(event.subject), ends })

const RULES = new Map<string, Rule>([
  ['grant.revoked', FAMILY],
  // What a client had for itself has no family to end.
  ['token.revoked', { key: ({ data }) => single(data.token_id), ends: 'everything' }],
  ['consent.withdrawn', { key: (event) => consent(event.user_id, event.client_id), ends: 'until now' }],
  ['user.disabled', ofUser('everything')],
  ['user.enabled', ofUser('nothing more')],
  ['user.deleted', ofUser('everything')],
  ['user.password_changed', ofUser('until now')],
  ['user.signed_out', ofUser('until now')],
  ['client.disabled', ofClient('everything')],
  ['client.enabled', ofClient('nothing more')],
  ['client.deleted', ofClient('everything')],
])

/** A code or refresh token that was used twice takes its family along. */
function ruleOf(type: string): Rule | undefined {
  return /^[a-z_]+\.reuse_detected$/.test(type) ? FAMILY : RULES.get(type)
}
