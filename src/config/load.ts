/**
 * `config` is the one reader of the environment. It turns text into a typed, frozen value and reports every mistake at
 * once. It knows nothing of the parts that use it.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import type { LogLevel } from '../telemetry/logger.ts'
import { defaultRateLimits, rateLimit, type RateLimit } from './rate-limits.ts'
import { variables, type TrustProxy, type Values, type Variable, type VariableName } from './variables.ts'

export interface Config {
  readonly production: boolean
  /** The issuer identifier: an origin without a trailing slash. */
  readonly issuer: string
  /** Whether the issuer is this machine only: the condition for demo data and secrets made on the spot. */
  readonly development: boolean
  readonly listen: { readonly host: string; readonly port: number }
  /** Processes that serve; with 1 there is no other that supervises it. */
  readonly workers: number
  /** In milliseconds from the signal to end: until it stops listening, and until it has ended. */
  readonly shutdown: { readonly delayMs: number; readonly deadlineMs: number }
  readonly trustProxy: TrustProxy | undefined
  readonly dataDirectory: string
  readonly database: { readonly url?: string; readonly dataDirectory: string; readonly poolMax: number }
  /** As given; `loadMasterKeys` reads it, or makes one in development. */
  readonly masterKey: string | undefined
  /** Requests that one process works on at once, at most. */
  readonly maxInFlight: number
  readonly authorizationsPerMinute: number
  readonly events: { readonly keepSeconds: number; readonly tokens: 'counted' | 'each' }
  /** undefined: for good. */
  readonly audit: { readonly keepSeconds: number | undefined }
  readonly webhooks: { readonly allowPrivate: boolean; readonly timeoutSeconds: number }
  /** Clients whose client_id is the URL of a document; `allowLoopback`: of one on this machine as well. */
  readonly clientDocuments: { readonly enabled: boolean; readonly allowLoopback: boolean }
  /** Of apps by themselves (RFC 7591). */
  readonly registration: { readonly mode: 'open' | 'token' | 'off'; readonly mostClients: number }
  readonly rateLimits: Readonly<Record<keyof typeof defaultRateLimits, RateLimit | 'off'>>
  readonly log: { readonly level: LogLevel }
  /** Where Prometheus asks. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined
  readonly traces: TracesConfig | undefined
  readonly tokens: {
    readonly accessSeconds: number
    readonly refreshIdleSeconds: number
    readonly refreshAbsoluteSeconds: number
    readonly refreshReuseSeconds: number
  }
  readonly sessions: { readonly idleSeconds: number; readonly absoluteSeconds: number }
  readonly keys: {
    readonly rotationSeconds: number
    readonly publishSeconds: number
    readonly pollSeconds: number
    readonly jwksMaxAgeSeconds: number
  }
  readonly demo: { readonly port: number; readonly databaseUrl: string | undefined } | undefined
}

/** To whom traces are sent, and of which requests. */
export interface TracesConfig {
  /** Of the collector, without `/v1/traces`. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly serviceName: string
  /** Whether a caller that sends `traceparent` decides, and what holds for the others. */
  readonly parentBased: boolean
  /** From 0 to 1. */
  readonly ratio: number
}

/** Everything that is wrong with the environment, one sentence each. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(['The configuration has mistakes:', ...problems.map((problem) => `  - ${problem}`)].join('\n'))
    this.problems = problems
  }
}

type Environment = Record<string, string | undefined>

/**
 * Reads the environment. Empty values count as unset.
 * @throws ConfigError with every problem found, each naming its variable and how to make a good value
 */
export function loadConfig(env: Environment): Config {
  const { values, problems } = readVariables(env)
  const production = values.NODE_ENV === 'production'
  const port = values.PORT ?? 3000
  const issuer = values.ISSUER ?? new URL(`http://localhost:${port}`)
  const development = !production && isLoopback(issuer)

  problems.push(...(production ? unsafeInProduction(values) : []), ...contradictions(values, issuer))
  if (!production && !development) problems.push(...unsafeBeyondLoopback(values))
  if (problems.length > 0) throw new ConfigError(problems)

  const dataDirectory = resolve(values.DATA_DIR ?? './data')
  const demoPort = values.DEMO_PORT ?? 4000
  return deepFreeze({
    production,
    issuer: issuer.origin,
    development,
    listen: { host: values.HOST ?? (production ? '::' : '127.0.0.1'), port },
    workers: values.WEB_CONCURRENCY === 'auto' ? availableParallelism() : (values.WEB_CONCURRENCY ?? 1),
    shutdown: shutdownOf(values, production),
    trustProxy: values.TRUST_PROXY,
    dataDirectory,
    database: {
      ...(values.DATABASE_URL ? { url: values.DATABASE_URL } : {}),
      dataDirectory,
      poolMax: values.DATABASE_POOL_MAX ?? 10,
    },
    masterKey: values.MASTER_KEY,
    maxInFlight: values.MAX_IN_FLIGHT ?? 1000,
    authorizationsPerMinute: values.AUTHORIZATIONS_PER_MINUTE ?? 600,
    rateLimits: {
      address: values.RATE_LIMIT_ADDRESS ?? rateLimit(defaultRateLimits.address),
      api: values.RATE_LIMIT_API ?? rateLimit(defaultRateLimits.api),
      token: values.RATE_LIMIT_TOKEN ?? rateLimit(defaultRateLimits.token),
      login: values.RATE_LIMIT_LOGIN ?? rateLimit(defaultRateLimits.login),
      registration: values.RATE_LIMIT_REGISTRATION ?? rateLimit(defaultRateLimits.registration),
    },
    events: { keepSeconds: values.EVENT_RETENTION_SECONDS ?? 2_592_000, tokens: values.TOKEN_EVENTS ?? 'counted' },
    audit: { keepSeconds: values.AUDIT_RETENTION_SECONDS },
    webhooks: {
      allowPrivate: values.WEBHOOK_ALLOW_PRIVATE === undefined ? development : values.WEBHOOK_ALLOW_PRIVATE === 'on',
      timeoutSeconds: values.WEBHOOK_TIMEOUT_SECONDS ?? 15,
    },
    clientDocuments: {
      enabled: values.CLIENT_METADATA_DOCUMENTS === undefined ? development : values.CLIENT_METADATA_DOCUMENTS === 'on',
      allowLoopback: development,
    },
    registration: {
      mode: values.REGISTRATION ?? (development ? 'open' : 'off'),
      mostClients: values.REGISTRATION_MAX_CLIENTS ?? 10_000,
    },
    log: { level: values.LOG_LEVEL ?? 'info' },
    metrics: values.METRICS_PORT
      ? { host: values.METRICS_HOST ?? (production ? (values.HOST ?? '::') : '127.0.0.1'), port: values.METRICS_PORT }
      : undefined,
    traces: tracesConfig(values),
    tokens: {
      accessSeconds: values.ACCESS_TOKEN_SECONDS ?? 300,
      refreshIdleSeconds: values.REFRESH_IDLE_SECONDS ?? 1_209_600,
      refreshAbsoluteSeconds: values.REFRESH_ABSOLUTE_SECONDS ?? 7_776_000,
      refreshReuseSeconds: values.REFRESH_REUSE_SECONDS ?? 10,
    },
    sessions: {
      idleSeconds: values.SESSION_IDLE_SECONDS ?? 86_400,
      absoluteSeconds: values.SESSION_ABSOLUTE_SECONDS ?? 1_209_600,
    },
    keys: {
      rotationSeconds: values.KEY_ROTATION_SECONDS ?? 2_592_000,
      publishSeconds: values.KEY_PUBLISH_SECONDS ?? 3600,
      pollSeconds: values.KEY_POLL_SECONDS ?? 60,
      jwksMaxAgeSeconds: values.JWKS_MAX_AGE_SECONDS ?? 600,
    },
    demo: development && demoPort !== 'off' ? { port: demoPort, databaseUrl: values.DEMO_DATABASE_URL } : undefined,
  })
}

function tracesConfig(values: Values): TracesConfig | undefined {
  if (!values.OTEL_EXPORTER_OTLP_ENDPOINT) return undefined
  const sampler = values.OTEL_TRACES_SAMPLER ?? 'parentbased_always_on'
  const share = values.OTEL_TRACES_SAMPLER_ARG ?? 1
  return {
    endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    headers: values.OTEL_EXPORTER_OTLP_HEADERS ?? {},
    serviceName: values.OTEL_SERVICE_NAME ?? 'grantry',
    parentBased: sampler.startsWith('parentbased_'),
    ratio: sampler.endsWith('traceidratio') ? share : sampler.endsWith('always_on') ? 1 : 0,
  }
}

/** Docker waits for ten seconds by default before it kills; Kubernetes for thirty. */
function shutdownOf(values: Values, production: boolean): Config['shutdown'] {
  const delay = values.SHUTDOWN_DELAY_SECONDS ?? (production ? 5 : 0)
  const deadline = values.SHUTDOWN_DEADLINE_SECONDS ?? Math.max(production ? 9 : 5, delay + 4)
  return { delayMs: delay * 1000, deadlineMs: deadline * 1000 }
}

function readVariables(env: Environment): { values: Values; problems: string[] } {
  const values: Record<string, unknown> = {}
  const problems: string[] = []
  for (const [name, variable] of Object.entries(variables) as [VariableName, Variable<unknown>][]) {
    try {
      const text = readText(env, name, variable)
      if (text) values[name] = variable.parse(text)
    } catch (error) {
      problems.push(`${name} ${(error as Error).message}`)
    }
  }
  return { values: values as Values, problems }
}

function readText(env: Environment, name: string, variable: Variable<unknown>): string | undefined {
  const direct = env[name]?.trim()
  const path = variable.secret ? env[`${name}_FILE`]?.trim() : undefined
  if (direct && path) throw new Error(`and ${name}_FILE are both set; keep one`)
  if (!path) return direct
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Error(`can't be read from ${name}_FILE=${path} (${code})`, { cause: error })
  }
}

const MAKE_KEY = `node -p "crypto.randomBytes(32).toString('base64url')"`

function unsafeInProduction(values: Values): string[] {
  const problems: string[] = []
  if (!values.ISSUER) problems.push('ISSUER must be set in production, for example https://auth.example.com')
  else if (values.ISSUER.protocol !== 'https:') problems.push('ISSUER must be https in production (RFC 8414 §2)')
  if (!values.DATABASE_URL)
    problems.push('DATABASE_URL must be set in production; the embedded database is for development')
  if (!values.MASTER_KEY) problems.push(`MASTER_KEY must be set in production; make one with: ${MAKE_KEY}`)
  return problems
}

/** Reachable from elsewhere, but not called production: secrets made on the spot would be shared with strangers. */
function unsafeBeyondLoopback(values: Values): string[] {
  return values.MASTER_KEY ? [] : [`MASTER_KEY must be set when ISSUER is not this machine; make one with: ${MAKE_KEY}`]
}

function contradictions(values: Values, issuer: URL): string[] {
  const problems: string[] = []
  const idle = values.REFRESH_IDLE_SECONDS ?? 1_209_600
  const absolute = values.REFRESH_ABSOLUTE_SECONDS ?? 7_776_000
  if (idle > absolute) problems.push('REFRESH_IDLE_SECONDS must not exceed REFRESH_ABSOLUTE_SECONDS')
  const sessionIdle = values.SESSION_IDLE_SECONDS ?? 86_400
  const sessionAbsolute = values.SESSION_ABSOLUTE_SECONDS ?? 1_209_600
  if (sessionIdle > sessionAbsolute) problems.push('SESSION_IDLE_SECONDS must not exceed SESSION_ABSOLUTE_SECONDS')
  if (values.METRICS_PORT !== undefined && values.METRICS_PORT === (values.PORT ?? 3000)) {
    problems.push('METRICS_PORT must differ from PORT: what is measured is not for the public')
  }
  const { delayMs, deadlineMs } = shutdownOf(values, values.NODE_ENV === 'production')
  if (delayMs >= deadlineMs) problems.push('SHUTDOWN_DEADLINE_SECONDS must exceed SHUTDOWN_DELAY_SECONDS')
  if (issuer.protocol === 'http:' && !isLoopback(issuer)) {
    problems.push('ISSUER must be https unless it is localhost: codes and tokens would travel in the clear')
  }
  return problems
}

function isLoopback(url: URL): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (inner && typeof inner === 'object') deepFreeze(inner)
  return Object.freeze(value)
}
