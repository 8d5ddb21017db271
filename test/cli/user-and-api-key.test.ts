import test from 'ava'
import { testDatabase } from '../support/database.ts'
import { operator } from './operator.ts'

test('a user lives from create to delete', async (t) => {
  const { json, run } = await operator(t)
  const fields = [
    '--email',
    'Alice@Example.com',
    '--email-verified',
    '--name',
    'Alice',
    '--role',
    'admin',
    '--role',
    'staff',
  ]
  const made = await json(['user', 'create', '--username', 'alice', ...fields])
  t.like(made, { username: 'alice', email: 'alice@example.com', email_verified: true, name: 'Alice' })
  t.deepEqual(made.roles, ['admin', 'staff'])
  const { password, ...user } = made
  t.true(password.length >= 15)

  t.deepEqual(await json(['user', 'list']), [user])
  for (const name of [user.id, 'ALICE', 'alice@example.com']) t.deepEqual(await json(['user', 'show', name]), user)
  const { stdout } = await run(['user', 'list'])
  t.regex(stdout, /^usr_\w+ +alice +alice@example\.com +active +admin staff$/m)

  const changed = await json([
    'user',
    'update',
    'alice',
    '--username',
    'alice2',
    '--no-email',
    '--no-name',
    '--no-role',
  ])
  t.like(changed, { username: 'alice2', email: null, name: null })
  t.deepEqual(changed.roles, [])
  t.like(await json(['user', 'sign-out', 'alice2']), { id: user.id, sessions_ended: 0, grants_revoked: 0 })
  t.like(await json(['user', 'sign-out', '--everyone']), { users: 0 })
  t.not((await json(['user', 'disable', 'alice2'])).disabled_at, null)
  t.is((await json(['user', 'enable', 'alice2'])).disabled_at, null)
  t.like(await json(['user', 'delete', 'alice2']), { id: user.id, deleted: true })
  t.deepEqual(await json(['user', 'list']), [])
})

test('a password comes from standard input, or is made and shown once', async (t) => {
  const db = await testDatabase(t)
  const { json, run } = await operator(t, db.url)
  const typed = 'seven grey herons rowing'
  const made = await json(['user', 'create', '--username', 'bob', '--password-stdin'], `${typed}\r\nsecond line\n`)
  t.false('password' in made)
  const [row] = await db.knex('users').where({ id: made.id }).select<{ password_hash: string }[]>('password_hash')
  const { default: argon2 } = await import('argon2')
  t.true(await argon2.verify(row?.password_hash ?? '', typed))

  const generated = await json(['user', 'set-password', 'bob'])
  t.regex(generated.password, /^(?:[a-z2-9]{5}-){4}[a-z2-9]{5}$/)
  const { stdout } = await run(['user', 'set-password', 'bob'])
  t.regex(stdout, /^password +\S+\n\nHand the password over now: it is not shown again\.\n$/m)
  t.false('password' in (await json(['user', 'set-password', made.id, '--password-stdin'], typed)))
})

test('a password on the command line is taken with a warning', async (t) => {
  const { run } = await operator(t)
  const args = ['user', 'create', '--username', 'carol', '--password', 'seven grey herons rowing', '--json']
  const { status, stdout, stderr } = await run(args)
  t.is(status, 0)
  t.regex(stderr, /^grantry: warning: .*--password-stdin\n$/)
  t.is(JSON.parse(stdout).username, 'carol')
  t.false(stdout.includes('herons'))
})

test('no password reaches an error message', async (t) => {
  const { run } = await operator(t)
  const { status, stderr } = await run(['user', 'create', '--username', 'dave', '--password-stdin'], 'hunter2\n')
  t.is(status, 1)
  t.regex(stderr, /^grantry: password must be at least 15 characters.*\n$/)
  t.false(stderr.includes('hunter2'))
  t.is((await run(['user', 'create', '--username', 'dave', '--password', 'hunter2'])).stderr.split('\n').length, 2)
  t.regex((await run(['user', 'create', '--username', 'dave', '--password-stdin'])).stderr, /nothing on standard input/)
})

test('an API key lives from create to revoke', async (t) => {
  const { json, run } = await operator(t)
  const scopes = ['--scope', 'users:read', '--scope', 'clients:write']
  const made = await json(['api-key', 'create', '--name', 'CI', ...scopes, '--expires-at', '2100-01-31T12:00:00Z'])
  t.regex(made.value, /^grk_/)
  t.deepEqual(made.scopes, ['users:read', 'clients:write'])
  t.is(made.expires_at, '2100-01-31T12:00:00.000Z')
  const { value, ...apiKey } = made
  t.deepEqual(await json(['api-key', 'list']), [apiKey])
  t.true((await json(['api-key', 'create', '--name', 'All', '--all-scopes'])).scopes.length > 10)

  const rotated = await json(['api-key', 'rotate', made.id, '--overlap', '60'])
  t.regex(rotated.value, /^grk_/)
  t.not(rotated.value, value)
  t.is(rotated.previous.hint, value.slice(-4))
  t.regex((await run(['api-key', 'rotate', made.id])).stderr, /good until .*: rotate after that, or revoke the key\n$/)

  t.not((await json(['api-key', 'revoke', made.id])).revoked_at, null)
  const { stdout } = await run(['api-key', 'list'])
  t.regex(stdout, new RegExp(`^${made.id} +…${rotated.value.slice(-4)} +revoked +CI`, 'm'))
})
