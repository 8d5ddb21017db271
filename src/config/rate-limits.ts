/** How many requests are admitted: `token-bucket;q=1200;w=60`, or `off`. */

export const rateLimitAlgorithms = ['fixed-window', 'sliding-window', 'token-bucket', 'leaky-bucket'] as const

export interface RateLimit {
  readonly algorithm: (typeof rateLimitAlgorithms)[number]
  /** Requests per window. */
  readonly quota: number
  readonly windowSeconds: number
}

/** Generous: they stop floods and runaway loops, and nobody who works. */
export const defaultRateLimits = {
  address: 'sliding-window;q=3000;w=60',
  api: 'token-bucket;q=1200;w=60',
  token: 'sliding-window;q=6000;w=60',
  login: 'sliding-window;q=120;w=60',
  registration: 'sliding-window;q=100;w=3600',
} as const

const MOST_REQUESTS = 1_000_000
const LONGEST_SECONDS = 86_400

/** @throws Error whose message says how to make a good value */
export function rateLimit(text: string): RateLimit | 'off' {
  if (text === 'off') return text
  const [name, ...parameters] = text.split(';').map((part) => part.trim())
  const algorithm = rateLimitAlgorithms.find((known) => known === name)
  if (!algorithm) throw new Error(`must be off, or begin with one of ${rateLimitAlgorithms.join(', ')}`)
  const values = new Map(parameters.map((parameter) => parameter.split('=', 2) as [string, string | undefined]))
  if (parameters.length !== 2 || values.size !== 2 || !values.has('q') || !values.has('w')) {
    throw new Error(`must name requests and seconds, as ${algorithm};q=600;w=60 does, and nothing else`)
  }
  return {
    algorithm,
    quota: wholeNumber('q (requests)', values.get('q'), MOST_REQUESTS),
    windowSeconds: wholeNumber('w (seconds)', values.get('w'), LONGEST_SECONDS),
  }
}

function wholeNumber(what: string, text: string | undefined, most: number): number {
  const value = /^\d{1,7}$/.test(text ?? '') ? Number(text) : 0
  if (value < 1 || value > most) throw new Error(`must have a whole number from 1 to ${most} for ${what}`)
  return value
}
