/**
 * Every environment variable of the server: its parser, its default, and what `.env.example` and the README say of it.
 * A test holds both documents against this list.
 */
import { isIP } from 'node:net'
import { defaultRateLimits, rateLimit } from './rate-limits.ts'

export interface Variable<T> {
  /** One sentence for the operator. */
  about: string
  /** What an unset variable means, in words; shown in the documents. */
  unset: string
  /** Reads a non-empty text. Throws an Error whose message says how to make a good value. */
  parse(text: string): T
  /** A secret may also be given as `<NAME>_FILE`, the path of a file that holds it. */
  secret?: true
}

export const variables = {
  NODE_ENV: {
    about: 'production refuses every development default; development makes what is missing.',
    unset: 'development',
    parse: oneOf('development', 'production', 'test'),
  },
  ISSUER: {
    about: 'The public URL of this server, and the only host it answers for. No path.',
    unset: 'http://localhost:PORT (development only)',
    parse: issuer,
  },
  HOST: {
    about: 'Address to listen on.',
    unset: '127.0.0.1; in production :: (all addresses)',
    parse: (text: string) =>
      must(text, isIP(text) !== 0 || text === 'localhost', 'an IP address such as 127.0.0.1 or ::'),
  },
  PORT: { about: 'Port to listen on.', unset: '3000', parse: wholeNumber(0, 65_535) },
  DATABASE_URL: {
    about: 'PostgreSQL 15 or newer, as postgres://user:password@host:port/name.',
    unset: 'a PostgreSQL of its own in DATA_DIR (development only)',
    parse: databaseUrl,
    secret: true,
  },
  DATABASE_POOL_MAX: {
    about: 'Connections that one process (each worker) may open, beside one of its own for notifications.',
    unset: '10',
    parse: wholeNumber(2, 200),
  },
  WEB_CONCURRENCY: {
    about:
      'Worker processes that share the port, under one that supervises them; auto for as many as the machine has processors.',
    unset: '1 (a single process)',
    parse: (text: string) => (text === 'auto' ? text : wholeNumber(1, 256)(text)),
  },
  SHUTDOWN_DELAY_SECONDS: {
    about:
      'After the signal to end, /health/ready says draining for this long while everything is still served, so that balancers notice.',
    unset: '0; in production 5',
    parse: wholeNumber(0, 600),
  },
  SHUTDOWN_DEADLINE_SECONDS: {
    about: 'From the signal to end to the end, the delay included; what is then still under way is cut off.',
    unset: '5; in production 9',
    parse: wholeNumber(1, 3_600),
  },
  DATA_DIR: { about: 'Where the embedded database and the development secrets live.', unset: './data', parse: String },
  MASTER_KEY: {
    about:
      '32 random bytes in base64url that seal signing keys and stand behind cookies. To rotate, put the new one first and keep the old behind a comma.',
    unset: 'made at the first start in DATA_DIR/master.key (development only)',
    parse: String,
    secret: true,
  },
  TRUST_PROXY: {
    about:
      'Who may state the client address and host in X-Forwarded-*: the number of proxies in front, or their networks (10.0.0.0/8,fd00::/8).',
    unset: 'nobody',
    parse: trustProxy,
  },
  LOG_LEVEL: {
    about: 'trace, debug, info, warn, error, fatal or silent.',
    unset: 'info',
    parse: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  },
  METRICS_PORT: {
    about:
      'Port for Prometheus (GET /metrics, and /health/live and /health/ready once more). Nobody proves who they are there: keep it inside.',
    unset: 'none; nothing is measured',
    parse: wholeNumber(1, 65_535),
  },
  METRICS_HOST: {
    about: 'Address to listen on for METRICS_PORT.',
    unset: '127.0.0.1; in production that of HOST',
    parse: (text: string) =>
      must(text, isIP(text) !== 0 || text === 'localhost', 'an IP address such as 127.0.0.1 or ::'),
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    about: 'Where traces go: the address of an OpenTelemetry collector that takes OTLP over HTTP as JSON.',
    unset: 'nowhere; nothing is traced',
    parse: collector,
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    about: 'Headers for the collector, as name=value,name=value with percent-encoded values.',
    unset: 'none',
    parse: headerList,
    secret: true,
  },
  OTEL_SERVICE_NAME: { about: 'The name of this service in traces.', unset: 'grantry', parse: String },
  OTEL_TRACES_SAMPLER: {
    about:
      'Which requests are traced: always_on, always_off, traceidratio, or the same behind parentbased_, where a caller that sends traceparent decides.',
    unset: 'parentbased_always_on',
    parse: oneOf(
      'always_on',
      'always_off',
      'traceidratio',
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
    ),
  },
  OTEL_TRACES_SAMPLER_ARG: {
    about: 'The share of requests that traceidratio traces, from 0 to 1.',
    unset: '1',
    parse: (text: string) => must(Number(text), /^(?:0|1|0?\.\d{1,9}|1\.0+)$/.test(text), 'a number from 0 to 1'),
  },
  ACCESS_TOKEN_SECONDS: {
    about: 'Life of an access token, unless its resource says otherwise.',
    unset: '300',
    parse: wholeNumber(30, 86_400),
  },
  REFRESH_IDLE_SECONDS: {
    about: 'A refresh token that is not used for this long ends.',
    unset: '1209600 (14 days)',
    parse: wholeNumber(60, 31_536_000),
  },
  REFRESH_ABSOLUTE_SECONDS: {
    about: 'A token family ends this long after its sign-in, however often it is refreshed.',
    unset: '7776000 (90 days)',
    parse: wholeNumber(60, 63_072_000),
  },
  REFRESH_REUSE_SECONDS: {
    about:
      'For this long after the first use of a refresh token a duplicate request gets the same successor; later it is taken for theft.',
    unset: '10',
    parse: wholeNumber(0, 60),
  },
  SESSION_IDLE_SECONDS: {
    about: 'A browser session that is not used for this long ends.',
    unset: '86400 (1 day)',
    parse: wholeNumber(60, 31_536_000),
  },
  SESSION_ABSOLUTE_SECONDS: {
    about: 'A browser session ends this long after sign-in, used or not.',
    unset: '1209600 (14 days)',
    parse: wholeNumber(60, 31_536_000),
  },
  KEY_ROTATION_SECONDS: {
    about: 'Age at which a signing key hands over to the next.',
    unset: '2592000 (30 days)',
    parse: wholeNumber(1, 31_536_000),
  },
  KEY_PUBLISH_SECONDS: {
    about: 'How long a key is in the JWKS before it signs. Must exceed JWKS_MAX_AGE_SECONDS with a margin.',
    unset: '3600',
    parse: wholeNumber(1, 2_592_000),
  },
  KEY_POLL_SECONDS: {
    about: 'How often each instance looks for due key turn-overs, beside the notification it gets at once.',
    unset: '60',
    parse: wholeNumber(1, 3_600),
  },
  JWKS_MAX_AGE_SECONDS: {
    about: 'How long verifiers may cache the JWKS and the discovery document.',
    unset: '600',
    parse: wholeNumber(1, 86_400),
  },
  MAX_IN_FLIGHT: {
    about:
      'Requests that one process (each worker) works on at once, at most; the limit shrinks by itself while work stands in queues. What is too much is answered 503 with Retry-After.',
    unset: '1000',
    parse: wholeNumber(16, 100_000),
  },
  AUTHORIZATIONS_PER_MINUTE: {
    about:
      'Authorization requests that one address may make in a minute, on each process; every one leaves a row for some minutes.',
    unset: '600',
    parse: wholeNumber(1, 1_000_000),
  },
  RATE_LIMIT_ADDRESS: {
    about:
      'Requests to the APIs from one address, before anybody knows who calls; as ALGORITHM;q=REQUESTS;w=SECONDS with an algorithm of fixed-window, sliding-window, token-bucket and leaky-bucket, or off. All instances count together.',
    unset: defaultRateLimits.address,
    parse: rateLimit,
  },
  RATE_LIMIT_API: {
    about: 'Requests to the APIs by one user, client or API key.',
    unset: defaultRateLimits.api,
    parse: rateLimit,
  },
  RATE_LIMIT_TOKEN: {
    about: 'Requests to the token, revocation, introspection and device authorization endpoints from one address.',
    unset: defaultRateLimits.token,
    parse: rateLimit,
  },
  RATE_LIMIT_LOGIN: {
    about: 'Attempts to sign in from one address, right or wrong.',
    unset: defaultRateLimits.login,
    parse: rateLimit,
  },
  RATE_LIMIT_REGISTRATION: {
    about: 'Apps that register themselves from one address.',
    unset: defaultRateLimits.registration,
    parse: rateLimit,
  },
  REGISTRATION: {
    about:
      'Whether apps may register themselves (RFC 7591): open to all, only with a token from grantry registration-token create, or off.',
    unset: 'open in development, off otherwise',
    parse: oneOf('open', 'token', 'off'),
  },
  REGISTRATION_MAX_CLIENTS: {
    about: 'How many self-registered clients there may be; those that nobody uses are deleted.',
    unset: '10000',
    parse: wholeNumber(0, 1_000_000),
  },
  EVENT_RETENTION_SECONDS: {
    about: 'How long events are kept; a reader that was away for longer is told so.',
    unset: '2592000 (30 days)',
    parse: wholeNumber(3_600, 315_360_000),
  },
  AUDIT_RETENTION_SECONDS: {
    about: 'How long entries of the audit log are kept: 90 days at least.',
    unset: 'for good',
    parse: wholeNumber(7_776_000, 946_080_000),
  },
  TOKEN_EVENTS: {
    about:
      'Events about issued and renewed tokens: counted makes one for each client, grant type and minute of an instance; each makes one for every answer of the token endpoint.',
    unset: 'counted',
    parse: oneOf('counted', 'each'),
  },
  WEBHOOK_ALLOW_PRIVATE: {
    about:
      'on lets webhooks and logout URIs lead to private addresses and plain http. Whoever may make one then reaches inside your network.',
    unset: 'on in development, off otherwise',
    parse: oneOf('on', 'off'),
  },
  WEBHOOK_TIMEOUT_SECONDS: {
    about: 'How long the receiver of a webhook may take to answer.',
    unset: '15',
    parse: wholeNumber(1, 60),
  },
  CLIENT_METADATA_DOCUMENTS: {
    about:
      'on lets clients sign people in that nobody registered: their client_id is the URL of a document that describes them. They may ask for what resources open to clients that register themselves.',
    unset: 'on in development, off otherwise',
    parse: oneOf('on', 'off'),
  },
  DEMO_DATABASE_URL: {
    about: "The demo's own database, if it shall not start an embedded one.",
    unset: 'a PostgreSQL of its own in DATA_DIR/demo',
    parse: databaseUrl,
    secret: true,
  },
  DEMO_PORT: {
    about: 'Port of the demo orders API and playground, started beside the server in development; off for none.',
    unset: '4000',
    parse: (text: string) => (text === 'off' ? text : wholeNumber(0, 65_535)(text)),
  },
} satisfies Record<string, Variable<unknown>>

export type VariableName = keyof typeof variables
export type Values = { [N in VariableName]?: ReturnType<(typeof variables)[N]['parse']> }

/** Proxies whose X-Forwarded-* headers count: a number of hops, or networks in CIDR form. */
export type TrustProxy = { hops: number } | { networks: string[] }

function oneOf<T extends string>(...allowed: T[]): (text: string) => T {
  return (text) => must(text as T, allowed.includes(text as T), `one of ${allowed.join(', ')}`)
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    return must(value, value >= least && value <= most, `a whole number from ${least} to ${most}`)
  }
}

function issuer(text: string): URL {
  const hint = 'an origin such as https://auth.example.com, without path, query, fragment or credentials'
  const url = URL.parse(text)
  if (!url || !['https:', 'http:'].includes(url.protocol)) throw new Error(`must be ${hint}`)
  // RFC 8414 §2: an issuer has no query or fragment. A path would need the well-known documents at two places and cookies
  // shared with whatever else lives on the host, so one host is one issuer.
  const bare = url.pathname === '/' && !url.search && !url.hash && !url.username && !url.password
  must(text, bare && !text.includes('#') && !text.includes('?'), hint)
  return must(url, text === url.origin || text === `${url.origin}/`, `spelled ${url.origin}`)
}

/** No URL parser judges it: PostgreSQL also takes URLs without a host, whose socket directory stands in the query. */
function databaseUrl(text: string): string {
  const hint = 'a URL such as postgres://user:password@localhost:5432/grantry'
  return must(text, /^postgres(?:ql)?:\/\/[^\s/]*\/[^\s/?]+(?:\?\S*)?$/.test(text), hint)
}

function collector(text: string): string {
  const hint = 'an address such as http://localhost:4318, without credentials, query and fragment'
  const url = URL.parse(text)
  const good = url !== null && /^https?:$/.test(url.protocol) && !url.username && !url.password
  return must(text.replace(/\/+$/, ''), good && !/[?#]/.test(text), hint)
}

/** As the specification of OpenTelemetry has it: W3C baggage without properties. */
function headerList(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').map((pair) => /^\s*([!#$%&'*+.^_`|~\w-]+)=([\x21-\x2b\x2d-\x7e]*)\s*$/.exec(pair))
  const values = pairs.map((pair) => (pair ? decoded(pair[2] ?? '') : undefined))
  // What is in it may be a key, so the message does not repeat it.
  must(
    text,
    values.every((value) => value !== undefined),
    'name=value pairs between commas, with percent-encoded values',
  )
  return Object.fromEntries(pairs.map((pair, index) => [pair![1]!.toLowerCase(), values[index]!]))
}

function decoded(text: string): string | undefined {
  try {
    const value = decodeURIComponent(text)
    return /^[\x20-\x7e]*$/.test(value) ? value : undefined
  } catch {
    return undefined
  }
}

function trustProxy(text: string): TrustProxy {
  const hint =
    'a number of proxies such as 1, or networks such as 10.0.0.0/8,fd00::/8 (never a bare yes: anyone could forge the header)'
  if (/^\d$/.test(text)) return { hops: Number(text) }
  const networks = text.split(',').map((network) => network.trim())
  const valid = networks.every((network) => {
    const [address = '', bits, ...rest] = network.split('/')
    const family = isIP(address)
    const most = family === 4 ? 32 : 128
    return family !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most))
  })
  must(text, valid, hint)
  return { networks }
}

function must<T>(value: T, good: boolean, hint: string): T {
  if (!good) throw new Error(`must be ${hint}`)
  return value
}
