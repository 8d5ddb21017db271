import { readFileSync } from 'node:fs'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { ConfigError, loadConfig } from '../../src/config/load.ts'
import { loadMasterKeys } from '../../src/config/master-keys.ts'
import { variables } from '../../src/config/variables.ts'

const root = join(import.meta.dirname, '..', '..')
const KEY = Buffer.alloc(32, 7).toString('base64url')
const PRODUCTION = {
  NODE_ENV: 'production',
  ISSUER: 'https://auth.example.com',
  DATABASE_URL: 'postgres://user:password@db.example.com/grantry',
  MASTER_KEY: KEY,
}

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

test('.env.example lists exactly the known variables, with what each is for', (t) => {
  const example = readFileSync(join(root, '.env.example'), 'utf8')
  const listed = [...example.matchAll(/^# ([A-Z_]+)=$/gm)].map(([, name]) => name)
  const ofTheDemo = readFileSync(join(root, 'src/demo/config.ts'), 'utf8').matchAll(/^ {2}([A-Z_]+): z?/gm)
  const known = new Set([...Object.keys(variables), ...[...ofTheDemo].map(([, name]) => name)])
  t.deepEqual(listed.toSorted(), [...known].toSorted())
  for (const { about } of Object.values(variables)) t.true(example.includes(about), about)
})

test('README has every variable in its table', (t) => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  for (const name of Object.keys(variables)) t.true(readme.includes(`\`${name}\``), name)
})

test('nothing set is a development server on this machine', (t) => {
  const config = loadConfig({})
  t.like(config, { issuer: 'http://localhost:3000', development: true, production: false })
  t.deepEqual(config.listen, { host: '127.0.0.1', port: 3000 })
  t.throws(() => Object.assign(config.tokens, { accessSeconds: 1 }), { instanceOf: TypeError })
})

test('every mistake is reported at once, each with its variable and how to mend it', (t) => {
  const problems = problemsOf({
    PORT: '99999',
    ISSUER: 'auth.example.com',
    TRUST_PROXY: 'true',
    LOG_LEVEL: 'loud',
    MASTER_KEY: 'x',
  })
  t.is(problems.length, 4)
  for (const name of ['PORT', 'ISSUER', 'TRUST_PROXY', 'LOG_LEVEL'])
    t.true(problems.some((line) => line.startsWith(`${name} must be`)))
})

test('production refuses every development default', (t) => {
  t.deepEqual(problemsOf(PRODUCTION), [])
  const bare = problemsOf({ NODE_ENV: 'production' })
  for (const name of ['ISSUER', 'DATABASE_URL', 'MASTER_KEY'])
    t.true(
      bare.some((line) => line.startsWith(name)),
      name,
    )
  t.regex(problemsOf({ ...PRODUCTION, ISSUER: 'http://auth.example.com' }).join(), /https/)
  t.is(loadConfig(PRODUCTION).demo, undefined)
})

test('an issuer with a path, query, fragment, credentials or odd spelling is refused', (t) => {
  for (const ISSUER of [
    'https://auth.example.com/tenant',
    'https://auth.example.com/?a',
    'https://auth.example.com/#',
    'https://user@auth.example.com',
    'https://AUTH.example.com',
    'https://auth.example.com:443',
    'ftp://auth.example.com',
  ]) {
    t.true(
      problemsOf({ ...PRODUCTION, ISSUER }).some((line) => line.startsWith('ISSUER must be')),
      ISSUER,
    )
  }
})

test('a server that others can reach needs a master key even in development', (t) => {
  t.regex(problemsOf({ ISSUER: 'https://auth.example.com' }).join(), /MASTER_KEY must be set/)
})

test('a secret may come from a file, but not from both', (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'grantry-config-')), 'key')
  writeFileSync(path, `${KEY}\n`)
  const { MASTER_KEY: _, ...rest } = PRODUCTION
  t.is(loadConfig({ ...rest, MASTER_KEY_FILE: path }).masterKey, KEY)
  t.regex(problemsOf({ ...PRODUCTION, MASTER_KEY_FILE: path }).join(), /keep one/)
  t.regex(problemsOf({ ...rest, MASTER_KEY_FILE: '/nowhere' }).join(), /ENOENT/)
})

test('a bad master key is refused without being shown', async (t) => {
  const error = await t.throwsAsync(loadMasterKeys(loadConfig({ ...PRODUCTION, MASTER_KEY: `${KEY},short-secret` })), {
    instanceOf: ConfigError,
  })
  t.regex(error.message, /MASTER_KEY: entry 2 is not 32 bytes/)
  t.false(error.message.includes('short-secret'))
})

test('two first starts at once agree on one development key', async (t) => {
  const config = loadConfig({ DATA_DIR: mkdtempSync(join(tmpdir(), 'grantry-config-')) })
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadMasterKeys(config)))
  t.is(new Set(keys.map(([{ id }]) => id)).size, 1)
})

test('proxies are trusted by number or network, never by a bare yes', (t) => {
  t.deepEqual(loadConfig({ TRUST_PROXY: '2' }).trustProxy, { hops: 2 })
  t.deepEqual(loadConfig({ TRUST_PROXY: '10.0.0.0/8, fd00::/8' }).trustProxy, { networks: ['10.0.0.0/8', 'fd00::/8'] })
  for (const TRUST_PROXY of ['true', 'yes', '10.0.0.0/33', '*', 'loopback', '-1']) {
    t.is(problemsOf({ TRUST_PROXY }).length, 1, TRUST_PROXY)
  }
})

test('metrics and traces are off until somebody asks for them, and metrics never share the public port', (t) => {
  t.like(loadConfig({}), { metrics: undefined, traces: undefined })
  t.deepEqual(loadConfig({ METRICS_PORT: '9464' }).metrics, { host: '127.0.0.1', port: 9464 })
  t.deepEqual(loadConfig({ ...PRODUCTION, METRICS_PORT: '9464' }).metrics, { host: '::', port: 9464 })
  t.is(loadConfig({ ...PRODUCTION, HOST: '10.0.0.7', METRICS_PORT: '9464' }).metrics?.host, '10.0.0.7')
  for (const env of [{ METRICS_PORT: '3000' }, { PORT: '9464', METRICS_PORT: '9464' }, { METRICS_PORT: '0' }]) {
    t.is(problemsOf(env).length, 1)
  }
})

test('traces are configured by the names that every OpenTelemetry SDK knows', (t) => {
  const endpoint = 'http://localhost:4318'
  const { traces } = loadConfig({
    OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/`,
    OTEL_EXPORTER_OTLP_HEADERS: 'X-Api-Key=a%20key%3D, x-tenant=one',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
  })
  const headers = { 'x-api-key': 'a key=', 'x-tenant': 'one' }
  t.deepEqual(traces, { endpoint, headers, serviceName: 'grantry', parentBased: true, ratio: 0.25 })
  const bare = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }
  t.like(loadConfig(bare).traces, { parentBased: true, ratio: 1 })
  t.like(loadConfig({ ...bare, OTEL_TRACES_SAMPLER: 'always_off' }).traces, { parentBased: false, ratio: 0 })
  for (const wrong of [
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:password@localhost' },
    { OTEL_EXPORTER_OTLP_HEADERS: 'no pair' },
    { OTEL_EXPORTER_OTLP_HEADERS: 'a=%0d%0ab' },
    { OTEL_TRACES_SAMPLER_ARG: '1.5' },
    { OTEL_TRACES_SAMPLER: 'sometimes' },
  ]) {
    t.is(problemsOf(wrong).length, 1, JSON.stringify(wrong))
  }
  t.notRegex(problemsOf({ OTEL_EXPORTER_OTLP_HEADERS: 'a secret key' }).join(), /secret key/)
})

test('workers are counted or as many as the processors; a stop that waits longer than it lasts is refused', (t) => {
  t.is(loadConfig({}).workers, 1)
  t.is(loadConfig({ WEB_CONCURRENCY: '3' }).workers, 3)
  t.is(loadConfig({ WEB_CONCURRENCY: 'auto' }).workers, availableParallelism())
  t.is(problemsOf({ WEB_CONCURRENCY: '0' }).length, 1)
  t.deepEqual(loadConfig(PRODUCTION).shutdown, { delayMs: 5000, deadlineMs: 9000 })
  t.deepEqual(loadConfig({ SHUTDOWN_DELAY_SECONDS: '20' }).shutdown, { delayMs: 20_000, deadlineMs: 24_000 })
  t.regex(
    problemsOf({ SHUTDOWN_DELAY_SECONDS: '5', SHUTDOWN_DEADLINE_SECONDS: '5' }).join(),
    /^SHUTDOWN_DEADLINE_SECONDS must exceed/,
  )
})
