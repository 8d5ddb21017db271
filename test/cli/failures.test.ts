import test from 'ava'
import { operator } from './operator.ts'

const failures: [args: string[], because: RegExp][] = [
  [[], /client, user, resource, api-key, .*key, event, webhook, .*audit, export, apply, migrate, doctor, serve/],
  [['client'], /create, list, show/],
  [['frobnicate'], /unknown command 'frobnicate'/],
  [['clint'], /unknown command 'clint' \(Did you mean client\?\)/],
  [['client', 'frobnicate'], /unknown command 'frobnicate'/],
  [['client', '--'], /incomplete|say what/],
  [['client', 'list', '--frobnicate'], /unknown option '--frobnicate'/],
  [['client', 'list', 'extra'], /too many arguments/],
  [['client', 'show'], /missing required argument 'client'/],
  [['client', 'show', 'cli_nobody'], /there is no client "cli_nobody"/],
  [['client', 'show', 'a\nb'], /there is no client "a\\nb"/],
  [['client', 'create'], /required option '--kind <kind>'/],
  [['client', 'create', '--kind', 'toaster', '--name', 'x'], /web, spa, native, service/],
  [['client', 'create', '--kind', 'web', '--name', 'x'], /at least one redirect URI/],
  [['client', 'create', '--kind', 'web', '--name', 'x', '--redirect-uri', 'javascript:alert(1)'], /must be https/],
  [['client', 'create', '--kind', 'service', '--name', 'x', '--allow', 'https://api.example.com'], /--allow takes/],
  [['client', 'create', '--kind', 'service', '--name', 'x', '--allow', 'https://a.example b'], /there is no resource/],
  [['client', 'create', '--kind', 'spa', '--name', 'x', '--grant', 'client_credentials'], /none would let anyone/],
  [['client', 'update', 'cli_nobody'], /nothing to change/],
  [['client', 'update', 'cli_nobody', '--name', 'x'], /no such client/],
  [['client', 'rotate-secret', 'cli_nobody', '--overlap', 'soon'], /whole number/],
  [['client', 'rotate-secret', 'cli_nobody', '--overlap', '99999999'], /overlap must be/],
  [['resource', 'create', '--audience', 'orders', '--name', 'x'], /absolute URI/],
  [
    ['resource', 'create', '--audience', 'https://a.example', '--name', 'x', '--scope', 'a'],
    /"orders:read=Read your orders"/,
  ],
  [
    ['resource', 'create', '--audience', 'https://a.example', '--name', 'x', '--scope', 'openid=Sign in'],
    /OpenID Connect/,
  ],
  [['resource', 'create', '--audience', 'https://a.example', '--name', 'x', '--scope-de', 'a=b'], /needs --scope a/],
  [['resource', 'update', 'https://a.example', '--access-token-ttl', 'long'], /whole number of seconds, or "default"/],
  [['resource', 'delete', 'https://a.example'], /no such resource/],
  [['user', 'create', '--username', 'a b'], /username must/],
  [['user', 'create', '--username', 'alice', '--password', 'x', '--password-stdin'], /not both/],
  [['user', 'show', 'nobody'], /there is no user "nobody"/],
  [['user', 'update', 'nobody'], /nothing to change/],
  [['api-key', 'create', '--name', 'x'], /scopes must be one or more of/],
  [['api-key', 'create', '--name', 'x', '--scope', 'everything'], /scopes must be one or more of/],
  [['api-key', 'create', '--name', 'x', '--all-scopes', '--expires-at', 'tomorrow'], /2030-01-31T12:00:00Z/],
  [['api-key', 'create', '--name', 'x', '--all-scopes', '--expires-at', '2001-01-01T00:00:00Z'], /future/],
  [['api-key', 'revoke', 'apk_nobody'], /no such API key/],
  [['key', 'rotate', '--alg', 'HS256'], /RS256, ES256, Ed25519/],
  [['key', 'revoke', 'nobody'], /there is no key "nobody"/],
  [['event', 'list', '--type', 'user.exploded'], /There is no such type|Allowed choices/],
  [['event', 'list', '--limit', '0'], /--limit must be/],
  [['event', 'list', '--user', 'alice'], /id of a user/],
  [['migrate', 'sideways'], /unknown command/],
]

test('every fault is one line on standard error, without a stack, and a status that is not 0', async (t) => {
  const { run } = await operator(t)
  for (const [args, because] of failures) {
    const { status, stdout, stderr } = await run(args)
    t.is(status, 1, args.join(' '))
    t.is(stdout, '', args.join(' '))
    t.regex(stderr, /^grantry: [^\n]+\n$/, args.join(' '))
    t.regex(stderr, because, args.join(' '))
    t.notRegex(stderr, /\.ts:\d|\n +at /, args.join(' '))
  }
})

test('--json changes nothing about that', async (t) => {
  const { run } = await operator(t)
  const { status, stdout, stderr } = await run(['client', 'show', 'cli_nobody', '--json'])
  t.deepEqual([status, stdout, stderr], [1, '', 'grantry: there is no client "cli_nobody"\n'])
})

test('all mistakes of the configuration are told at once, in one line', async (t) => {
  const { env, run } = await operator(t)
  Object.assign(env, { PORT: 'high', ISSUER: 'ftp://example.com' })
  const { status, stderr } = await run(['client', 'list'])
  t.is(status, 1)
  t.regex(stderr, /^grantry: [^\n]*PORT must be[^\n]*\n$/)
  t.regex(stderr, /ISSUER must be/)
})

test('a database that is not there is told without its password', async (t) => {
  const { run } = await operator(t, 'postgres://me:hunter2@127.0.0.1:1/grantry')
  const { status, stderr } = await run(['client', 'list'])
  t.is(status, 1)
  t.regex(stderr, /^grantry: cannot use the database[^\n]*\n$/)
  t.false(stderr.includes('hunter2'))
})

test('help goes to standard output and is no fault', async (t) => {
  const { run } = await operator(t)
  for (const args of [['--help'], ['client', '--help'], ['client', 'create', '--help'], ['help'], ['--version']]) {
    const { status, stdout, stderr } = await run(args)
    t.deepEqual([status, stderr], [0, ''], args.join(' '))
    t.true(stdout.length > 3)
  }
})
