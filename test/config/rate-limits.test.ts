import test from 'ava'
import { ConfigError, loadConfig } from '../../src/config/load.ts'

const problemsOf = (RATE_LIMIT_API: string): string => {
  try {
    loadConfig({ RATE_LIMIT_API })
    return ''
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n')
    throw error
  }
}

test('a rate limit names its algorithm, requests and seconds, or is off', (t) => {
  const { rateLimits } = loadConfig({
    RATE_LIMIT_ADDRESS: 'fixed-window;q=10;w=1',
    RATE_LIMIT_API: ' leaky-bucket; w=3600; q=1000000 ',
    RATE_LIMIT_LOGIN: 'off',
  })
  t.deepEqual(rateLimits, {
    address: { algorithm: 'fixed-window', quota: 10, windowSeconds: 1 },
    api: { algorithm: 'leaky-bucket', quota: 1_000_000, windowSeconds: 3600 },
    token: { algorithm: 'sliding-window', quota: 6000, windowSeconds: 60 },
    login: 'off',
    registration: { algorithm: 'sliding-window', quota: 100, windowSeconds: 3600 },
  })
})

test('a rate limit that means nothing is refused, with how to make a good one', (t) => {
  const mistakes: [string, RegExp][] = [
    [
      '100',
      /RATE_LIMIT_API must be off, or begin with one of fixed-window, sliding-window, token-bucket, leaky-bucket/,
    ],
    ['q=1;w=1', /begin with one of/],
    ['token-bucket', /as token-bucket;q=600;w=60 does/],
    ['token-bucket;q=5', /as token-bucket;q=600;w=60 does/],
    ['token-bucket;q=5;w=5;b=5', /nothing else/],
    ['token-bucket;q=5;q=5', /nothing else/],
    ['token-bucket;q=5;burst=5', /nothing else/],
    ['token-bucket;q=0;w=60', /whole number from 1 to 1000000 for q \(requests\)/],
    ['token-bucket;q=1000001;w=60', /whole number from 1 to 1000000 for q/],
    ['token-bucket;q=1e3;w=60', /whole number from 1 to 1000000 for q/],
    ['token-bucket;q=5;w=-1', /whole number from 1 to 86400 for w \(seconds\)/],
    ['token-bucket;q=5;w=0.5', /whole number from 1 to 86400 for w/],
    ['token-bucket;q=5;w=86401', /whole number from 1 to 86400 for w/],
  ]
  for (const [text, message] of mistakes) t.regex(problemsOf(text), message, text)
})
