import test from 'ava'
import { operator } from './operator.ts'

const ORDERS = ['--audience', 'https://orders.example.com/', '--name', 'Orders']
const SCOPES = ['--scope', 'orders:read=Read your orders', '--scope', 'orders:write=Change = replace them']

test('an API lives from create to delete', async (t) => {
  const { json, run } = await operator(t)
  const german = ['--scope-de', 'orders:read=Ihre Bestellungen lesen']
  const made = await json(['resource', 'create', ...ORDERS, ...SCOPES, ...german, '--token-claim', 'roles'])
  t.like(made, {
    audience: 'https://orders.example.com',
    token_format: 'jwt',
    signing_alg: 'RS256',
    access_token_ttl: null,
  })
  t.deepEqual(made.token_claims, ['roles'])
  t.deepEqual(made.scopes, [
    { name: 'orders:read', description: 'Read your orders', description_de: 'Ihre Bestellungen lesen' },
    { name: 'orders:write', description: 'Change = replace them', description_de: null },
  ])
  t.deepEqual(await json(['resource', 'list']), [made])
  t.deepEqual(await json(['resource', 'show', 'https://ORDERS.example.com']), made)
  t.deepEqual(await json(['resource', 'show', made.id]), made)

  const options = ['--token-format', 'opaque', '--signing-alg', 'ES256', '--access-token-ttl', '60', '--no-scope']
  const changed = await json(['resource', 'update', made.id, ...options, '--no-token-claim'])
  t.like(changed, { token_format: 'opaque', signing_alg: 'ES256', access_token_ttl: 60, scopes: [], version: 2 })
  t.deepEqual(changed.token_claims, [])
  const back = await json([
    'resource',
    'update',
    made.audience,
    '--access-token-ttl',
    'default',
    '--name',
    'All orders',
  ])
  t.like(back, { access_token_ttl: null, name: 'All orders', signing_alg: 'ES256' })

  const taken = await run(['resource', 'create', ...ORDERS])
  t.deepEqual([taken.status, taken.stdout], [1, ''])
  t.regex(taken.stderr, /^grantry: there is a resource with the audience https:\/\/orders\.example\.com already\n$/)

  t.like(await json(['resource', 'delete', made.audience]), { id: made.id, deleted: true })
  t.deepEqual(await json(['resource', 'list']), [])
})

test('a web client lives from create to delete', async (t) => {
  const { json, run } = await operator(t)
  await json(['resource', 'create', ...ORDERS, ...SCOPES])
  const uris = [
    '--redirect-uri',
    'https://app.example.com/callback',
    '--redirect-uri',
    'http://localhost:8080/callback',
  ]
  const logout = ['--post-logout-redirect-uri', 'https://app.example.com/']
  const allow = ['--allow', 'https://orders.example.com orders:read orders:write']
  const made = await json(['client', 'create', '--kind', 'web', '--name', 'My app', ...uris, ...logout, ...allow])
  t.like(made, { kind: 'web', name: 'My app', token_endpoint_auth_method: 'client_secret_basic', first_party: false })
  t.is(made.client_id, made.id)
  t.regex(made.client_secret, /^gcs_/)
  t.deepEqual(made.redirect_uris, ['https://app.example.com/callback', 'http://localhost:8080/callback'])
  t.deepEqual(made.access[0].scopes, ['orders:read', 'orders:write'])

  const shown = await run(['client', 'show', made.id])
  t.is(shown.status, 0)
  t.regex(shown.stdout, /^redirect_uris +https:\/\/app\.example\.com\/callback\n +http:\/\/localhost:8080\/callback$/m)
  t.false(shown.stdout.includes(made.client_secret))

  const options = ['--name', 'Renamed', '--first-party', '--dpop-bound', '--no-post-logout-redirect-uri', '--no-allow']
  const changed = await json(['client', 'update', made.id, ...options, '--auth-method', 'client_secret_post'])
  t.like(changed, { name: 'Renamed', first_party: true, version: 2, token_endpoint_auth_method: 'client_secret_post' })
  t.deepEqual([changed.post_logout_redirect_uris, changed.access], [[], []])
  t.deepEqual(changed.redirect_uris, made.redirect_uris)
  const facts = await json(['event', 'list', '--type', 'client.updated', '--client', made.id])
  t.is(facts[0].data.first_party, true)
  t.deepEqual([made.dpop_bound_access_tokens, changed.dpop_bound_access_tokens], [false, true])
  t.false((await json(['client', 'update', made.id, '--no-dpop-bound'])).dpop_bound_access_tokens)

  const rotated = await json(['client', 'rotate-secret', made.id, '--overlap', '0'])
  t.regex(rotated.client_secret, /^gcs_/)
  t.not(rotated.client_secret, made.client_secret)
  t.is(rotated.secrets.length, 1)
  t.is((await json(['client', 'rotate-secret', made.id])).secrets.length, 2)

  t.true((await json(['client', 'disable', made.id])).disabled)
  t.false((await json(['client', 'enable', made.id])).disabled)
  t.like(await json(['client', 'delete', made.id]), { id: made.id, deleted: true })
  const gone = await run(['client', 'show', made.id])
  t.is(gone.status, 1)
  t.regex(gone.stderr, /there is no client/)
})

test('a service may exchange the tokens of the APIs that are named, and of no others', async (t) => {
  const { json, run } = await operator(t)
  const create = ['client', 'create', '--kind', 'service', '--name', 'Orders', '--grant', 'token-exchange']
  const audience = 'https://orders.example.com'
  const made = await json([...create, '--exchange-from', `${audience}/`])
  t.deepEqual(made.grant_types, ['urn:ietf:params:oauth:grant-type:token-exchange'])
  t.deepEqual(made.exchange_from, [audience])
  const without = await run(['client', 'update', made.id, '--no-exchange-from'])
  t.regex(without.stderr, /token exchange needs the audiences/)
  const changed = await json(['client', 'update', made.id, '--no-exchange-from', '--grant', 'client_credentials'])
  t.deepEqual([changed.grant_types, changed.exchange_from], [['client_credentials'], []])
  t.is((await run(create)).status, 1, 'nothing is named')
})

test('an app says where it is told of logouts, where webhooks may lead too', async (t) => {
  const { json, run } = await operator(t)
  const create = ['client', 'create', '--kind', 'web', '--name', 'Notes', '--redirect-uri', 'https://app.example.com/c']
  const inside = 'http://127.0.0.1:9/logged-out'
  const made = await json([...create, '--backchannel-logout-uri', inside, '--backchannel-logout-session-required'])
  t.like(made, { backchannel_logout_uri: inside, backchannel_logout_session_required: true })
  const update = ['client', 'update', made.id]
  t.like(await json([...update, '--name', 'Notes 2']), { backchannel_logout_uri: inside })
  const without = { backchannel_logout_uri: null, backchannel_logout_session_required: false }
  t.like(await json([...update, '--no-backchannel-logout-uri']), without)
  const refused = await run([...update, '--backchannel-logout-uri', 'https://app.example.com/#x'])
  t.regex(refused.stderr, /backchannel_logout_uri must not have a fragment/)
})

test('machines and public clients are made by their kind', async (t) => {
  const { json, run } = await operator(t)
  await json(['resource', 'create', ...ORDERS, ...SCOPES])
  const allow = ['--allow', 'https://orders.example.com orders:read']
  const machine = await json(['client', 'create', '--kind', 'service', '--name', 'Machine', ...allow])
  t.deepEqual([machine.grant_types, machine.openid_scopes], [['client_credentials'], []])
  const uri = ['--redirect-uri', 'http://127.0.0.1/callback', '--redirect-uri', 'com.example.app:/callback']
  const native = await json(['client', 'create', '--kind', 'native', '--name', 'App', ...uri])
  t.false('client_secret' in native)
  const page = ['--redirect-uri', 'https://app.example.com/callback', '--openid-scope', 'openid']
  const spa = await json([
    'client',
    'create',
    '--kind',
    'spa',
    '--name',
    'Page',
    ...page,
    '--grant',
    'authorization_code',
  ])
  t.deepEqual(
    [spa.allowed_origins, spa.openid_scopes, spa.grant_types],
    [['https://app.example.com'], ['openid'], ['authorization_code']],
  )

  const ids = (await json(['client', 'list'])).map(({ id }: { id: string }) => id)
  t.deepEqual(ids.slice(-3), [machine.id, native.id, spa.id])
  const { stdout } = await run(['client', 'list'])
  t.regex(stdout, /^ID +KIND +STATE +NAME\n/)
  t.regex(stdout, new RegExp(`^${native.id} +native +active +App$`, 'm'))
})

test('a secret is shown with the advice to store it', async (t) => {
  const { run } = await operator(t)
  const { stdout, status } = await run(['client', 'create', '--kind', 'service', '--name', 'Machine'])
  t.is(status, 0)
  t.regex(stdout, /^client_secret +gcs_\S+\n\nStore the client_secret now: it is not shown again\.\n$/m)
})
