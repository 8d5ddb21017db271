import test from 'ava'
import { operator } from './operator.ts'

test('a registration token lives from create to revoke; its value is shown once', async (t) => {
  const { json, run } = await operator(t)
  const made = await json(['registration-token', 'create', '--name', 'Partner'])
  t.regex(made.value, /^grt_/)
  t.like(made, { name: 'Partner', most_uses: 1, uses: 0, created_by: 'cli', revoked_at: null })
  t.is(Math.round((Date.parse(made.expires_at) - Date.parse(made.created_at)) / 86_400_000), 7)
  const { value, ...token } = made
  t.deepEqual(await json(['registration-token', 'list']), [token])

  const many = await json(['registration-token', 'create', '--name', 'All', '--uses', 'any', '--expires-in', '60'])
  t.is(many.most_uses, null)
  t.is((await json(['registration-token', 'create', '--name', 'Two', '--uses', '2'])).most_uses, 2)
  t.not((await json(['registration-token', 'revoke', token.id])).revoked_at, null)
  const { stdout } = await run(['registration-token', 'list'])
  t.regex(stdout, /^rgt_\w+ +…\w{4} +revoked +0 of 1 +Partner$/m)
  t.regex(stdout, /^rgt_\w+ +…\w{4} +active +0 of any +All$/m)
  t.false(stdout.includes(value))
})

test('a registration token that can not be made or is not there is refused', async (t) => {
  const { run } = await operator(t)
  for (const [args, told] of [
    [['create', '--name', 'x', '--uses', '0'], /whole number from 1, or "any"/],
    [['create', '--name', 'x', '--expires-in', '0'], /lives 1 to/],
    [['create', '--name', 'x', '--expires-in', '99999999999'], /lives 1 to/],
    [['create', '--name', ' '], /name/],
    [['create'], /--name/],
    [['revoke', 'rgt_aaaaaaaaaaaaaaaaaaaaaaaaaa'], /no such registration token/],
    [['revoke', 'nonsense'], /no such registration token/],
  ] as const) {
    const { status, stderr } = await run(['registration-token', ...args])
    t.not(status, 0, args.join(' '))
    t.regex(stderr, told)
  }
})

test('scopes are opened to clients that register themselves, and closed; only those that there are', async (t) => {
  const { json, run } = await operator(t)
  const audience = 'https://api.example.com'
  const scopes = ['--scope', 'a=Read', '--scope', 'b=Write']
  const made = await json(['resource', 'create', '--audience', audience, '--name', 'API', ...scopes])
  t.deepEqual(made.self_registered_scopes, [])
  const opened = await json(['resource', 'update', audience, '--self-registered-scope', 'b'])
  t.deepEqual(opened.self_registered_scopes, ['b'])
  const gone = await run(['resource', 'update', audience, '--scope', 'a=Read'])
  t.regex(gone.stderr, /"b" is no scope of the resource/, 'an open scope that goes is closed first')
  const wrong = await run(['resource', 'update', audience, '--self-registered-scope', 'c'])
  t.regex(wrong.stderr, /"c" is no scope of the resource/)
  t.deepEqual((await json(['resource', 'update', audience, '--no-self-registered-scope'])).self_registered_scopes, [])
})
