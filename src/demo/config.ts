/**
 * The demo's own configuration. It shares no variable but ISSUER, DATA_DIR and LOG_LEVEL with the server, and no secret but
 * that of the webhook by which it is told of events.
 */
import { resolve } from 'node:path'
import { z } from 'zod'
import type { RateLimitPolicy } from '../http/rate-limit/algorithms.ts'
import type { LogLevel } from '../telemetry/logger.ts'

export interface DemoConfig {
  readonly listen: { readonly host: string; readonly port: number }
  /**
   * Where this API stands: its resource identifier, the audience of its tokens, the origin of every URL it gives out. An
   * origin without a slash; undefined: `http://localhost:<port>`, known once the port is open.
   */
  readonly url: string | undefined
  readonly issuer: string
  readonly database: { readonly url?: string; readonly dataDirectory: string }
  /** The playground's public client. */
  readonly clientId: string | undefined
  /** Shared with the authorization server, which signs its webhooks with it. Undefined: none are taken. */
  readonly webhookSecret: string | undefined
  /** Other origins whose pages may call the API. */
  readonly origins: readonly string[]
  /** How often each caller may ask. */
  readonly rateLimit: RateLimitPolicy | 'off'
  readonly log: { readonly level: LogLevel }
}

/** Everything that is wrong with the environment, one sentence each. */
export class DemoConfigError extends Error {
  override readonly name = 'DemoConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(['The configuration of the demo has mistakes:', ...problems.map((problem) => `  - ${problem}`)].join('\n'))
    this.problems = problems
  }
}

const PORT = 'must be a whole number from 0 to 65535'
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const satisfies readonly LogLevel[]

const origin = (example: string) => {
  const hint = `must be an origin such as ${example}, without path, query, fragment or credentials`
  return z
    .string()
    .refine((text) => isOrigin(text), { error: hint, abort: true })
    .refine((text) => isConfidential(text), 'must be https unless it is localhost: tokens would travel in the clear')
    .transform((text) => new URL(text).origin)
}

const RATE_LIMIT = /^(?:off|(fixed-window|sliding-window|token-bucket|leaky-bucket);q=([1-9]\d{0,6});w=([1-9]\d{0,5}))$/
const RATE_LIMIT_HINT =
  'must be off, or an algorithm (fixed-window, sliding-window, token-bucket, leaky-bucket) with requests and seconds, such as token-bucket;q=600;w=60'

function rateLimit(text: string): RateLimitPolicy | 'off' {
  const [, algorithm, quota, seconds] = RATE_LIMIT.exec(text) ?? []
  if (algorithm === undefined) return 'off'
  return {
    algorithm: algorithm as RateLimitPolicy['algorithm'],
    quota: Number(quota),
    windowSeconds: Number(seconds),
  }
}

const environment = z.object({
  DEMO_PORT: z
    .string()
    .regex(/^\d{1,5}$/, PORT)
    .transform(Number)
    .refine((port) => port <= 65_535, PORT)
    .default(4000),
  DEMO_HOST: z
    .string()
    .regex(/^[\w.:-]+$/, 'must be an address to listen on, such as 127.0.0.1')
    .default('127.0.0.1'),
  DEMO_URL: origin('http://localhost:4000').optional(),
  ISSUER: origin('https://auth.example.com').default('http://localhost:3000'),
  DEMO_DATABASE_URL: z
    .string()
    .regex(/^postgres(?:ql)?:\/\/./, 'must be a URL such as postgres://user:password@localhost:5432/orders')
    .optional(),
  DATA_DIR: z.string().default('./data'),
  DEMO_CLIENT_ID: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be the id of a public client, such as cli_…')
    .optional(),
  DEMO_WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'must be the secret of a webhook, such as whsec_…')
    .optional(),
  DEMO_ORIGINS: z
    .string()
    .transform((text) => text.split(',').map((entry) => entry.trim()))
    .pipe(z.array(origin('https://shop.example.com')))
    .default([]),
  DEMO_RATE_LIMIT: z
    .string()
    .regex(RATE_LIMIT, RATE_LIMIT_HINT)
    .transform(rateLimit)
    .default({ algorithm: 'token-bucket', quota: 600, windowSeconds: 60 }),
  LOG_LEVEL: z.enum(LEVELS, `must be one of ${LEVELS.join(', ')}`).default('info'),
})

/**
 * Reads the environment. Empty values count as unset.
 * @throws DemoConfigError with every mistake, each naming its variable and how to make a good value
 */
export function loadDemoConfig(env: Record<string, string | undefined>): DemoConfig {
  const given = Object.entries(env).filter(([, value]) => value?.trim())
  const result = environment.safeParse(Object.fromEntries(given.map(([name, value]) => [name, value?.trim()])))
  if (!result.success) {
    throw new DemoConfigError(result.error.issues.map(({ path, message }) => `${String(path[0])} ${message}`))
  }
  const { data } = result
  return Object.freeze({
    listen: Object.freeze({ host: data.DEMO_HOST, port: data.DEMO_PORT }),
    url: data.DEMO_URL,
    issuer: data.ISSUER,
    database: Object.freeze({
      ...(data.DEMO_DATABASE_URL && { url: data.DEMO_DATABASE_URL }),
      dataDirectory: resolve(data.DATA_DIR, 'demo'),
    }),
    clientId: data.DEMO_CLIENT_ID,
    webhookSecret: data.DEMO_WEBHOOK_SECRET,
    origins: Object.freeze(data.DEMO_ORIGINS),
    rateLimit: data.DEMO_RATE_LIMIT,
    log: Object.freeze({ level: data.LOG_LEVEL }),
  })
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && [url.origin, `${url.origin}/`].includes(text)
}

function isConfidential(text: string): boolean {
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
}
