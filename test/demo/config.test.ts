import test from 'ava'
import { resolve } from 'node:path'
import { DemoConfigError, loadDemoConfig } from '../../src/demo/config.ts'

test('an empty environment is enough', (t) => {
  t.deepEqual(loadDemoConfig({ DEMO_URL: '', UNRELATED: 'x' }), {
    listen: { host: '127.0.0.1', port: 4000 },
    url: undefined,
    issuer: 'http://localhost:3000',
    database: { dataDirectory: resolve('./data/demo') },
    clientId: undefined,
    webhookSecret: undefined,
    origins: [],
    rateLimit: { algorithm: 'token-bucket', quota: 600, windowSeconds: 60 },
    log: { level: 'info' },
  })
})

test('every value can be given, and origins lose their slash', (t) => {
  const config = loadDemoConfig({
    DEMO_PORT: '0',
    DEMO_HOST: '::1',
    DEMO_URL: 'https://orders.example.com/',
    ISSUER: 'https://login.example.com',
    DEMO_DATABASE_URL: 'postgres://demo@localhost/orders',
    DATA_DIR: '/var/lib/grantry',
    DEMO_CLIENT_ID: 'cli_x',
    DEMO_WEBHOOK_SECRET: `whsec_${'A'.repeat(43)}=`,
    DEMO_ORIGINS: 'https://shop.example.com/, http://localhost:5173',
    DEMO_RATE_LIMIT: 'sliding-window;q=20;w=10',
    LOG_LEVEL: 'debug',
  })
  t.deepEqual(config, {
    listen: { host: '::1', port: 0 },
    url: 'https://orders.example.com',
    issuer: 'https://login.example.com',
    database: { url: 'postgres://demo@localhost/orders', dataDirectory: '/var/lib/grantry/demo' },
    clientId: 'cli_x',
    webhookSecret: `whsec_${'A'.repeat(43)}=`,
    origins: ['https://shop.example.com', 'http://localhost:5173'],
    rateLimit: { algorithm: 'sliding-window', quota: 20, windowSeconds: 10 },
    log: { level: 'debug' },
  })
  t.true(Object.isFrozen(config))
})

test('all mistakes are reported at once, each with its variable and a good value', (t) => {
  const error = t.throws(
    () =>
      loadDemoConfig({
        DEMO_PORT: '99999',
        DEMO_HOST: 'a b',
        DEMO_URL: 'http://localhost:4000/path',
        ISSUER: 'http://login.example.com',
        DEMO_DATABASE_URL: 'mysql://x',
        DEMO_CLIENT_ID: 'with space',
        DEMO_WEBHOOK_SECRET: 'hunter2',
        DEMO_ORIGINS: 'http://localhost:5173,https://*.example.com/shop',
        DEMO_RATE_LIMIT: 'token-bucket;q=0;w=60',
        LOG_LEVEL: 'loud',
      }),
    { instanceOf: DemoConfigError },
  )
  t.deepEqual(
    error.problems.map((problem) => problem.split(' ')[0]),
    [
      'DEMO_PORT',
      'DEMO_HOST',
      'DEMO_URL',
      'ISSUER',
      'DEMO_DATABASE_URL',
      'DEMO_CLIENT_ID',
      'DEMO_WEBHOOK_SECRET',
      'DEMO_ORIGINS',
      'DEMO_RATE_LIMIT',
      'LOG_LEVEL',
    ],
  )
  t.regex(error.message, /ISSUER must be https unless it is localhost/)
  t.regex(error.message, /DEMO_URL must be an origin such as http:\/\/localhost:4000/)
  t.notRegex(error.message, /mysql|with space|hunter2|undefined/)
})

for (const url of [
  'http://user@localhost:1',
  'http://localhost:4000?',
  'http://localhost/#',
  'ftp://localhost',
  'localhost',
]) {
  test(`${url} is no origin`, (t) => {
    t.throws(() => loadDemoConfig({ DEMO_URL: url }), { instanceOf: DemoConfigError, message: /an origin/ })
  })
}

test('a rate limit is an algorithm with a number of requests and of seconds, or off', (t) => {
  const limit = (text: string) => loadDemoConfig({ DEMO_RATE_LIMIT: text }).rateLimit
  t.deepEqual(limit('leaky-bucket;q=100;w=1'), { algorithm: 'leaky-bucket', quota: 100, windowSeconds: 1 })
  t.is(limit('off'), 'off')
  for (const wrong of ['100', 'token-bucket', 'token-bucket;q=1;w=0', 'token-bucket;q=-1;w=1', 'random;q=1;w=1']) {
    t.throws(() => limit(wrong), { instanceOf: DemoConfigError, message: /DEMO_RATE_LIMIT must be off, or/ })
  }
})
