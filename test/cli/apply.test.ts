/** `grantry apply` and `grantry export`: many resources and clients at once, by a file. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { ACCOUNT_CLIENT_ID } from '../../src/registry/clients/client.ts'
import { testDatabase } from '../support/database.ts'
import { operator, type Operator } from './operator.ts'

const FILE = `
version: 1
resources:
  - audience: https://Orders.example.com/
    name: Orders
    access_token_ttl: 60
    scopes:
      - name: orders:read
        description: Read your orders
        description_de: Ihre Bestellungen lesen
      - { name: "orders:write", description: Place orders }
clients:
  - kind: web
    name: Shop
    redirect_uris: [https://shop.example.com/callback]
    backchannel_logout_uri: https://shop.example.com/logged-out
    access:
      - { resource: "https://orders.example.com", scopes: ["orders:write", "orders:read"] }
  - kind: service
    name: Billing
    access:
      - { resource: "https://orders.example.com", scopes: ["orders:read"] }
  - kind: spa
    name: Page
    redirect_uris: [https://page.example.com/]
`

const apply = ({ json }: Operator, text: string, ...options: string[]) => json(['apply', '-f', '-', ...options], text)
const count = ({ created, changed, deleted, unchanged }: Record<string, number>) => [
  created,
  changed,
  deleted,
  unchanged,
]

async function facts({ json }: Operator): Promise<unknown[]> {
  return [await json(['event', 'list']), await json(['audit', 'list'])]
}

test.serial('a file makes what it declares, once: the second time there is nothing to do', async (t) => {
  const own = await operator(t)
  const made = await apply(own, FILE)
  t.deepEqual(count(made), [4, 0, 0, 0])
  t.deepEqual(
    made.changes.map(({ action, kind, label }: Record<string, string>) => `${action} ${kind} ${label}`),
    ['create resource https://orders.example.com', 'create client Shop', 'create client Billing', 'create client Page'],
  )
  t.deepEqual(
    made.secrets.map(({ name }: { name: string }) => name),
    ['Shop', 'Billing'],
    'a page has no secret',
  )
  for (const { client_id, client_secret } of made.secrets) {
    t.regex(client_id, /^cli_[a-z2-7]{26}$/)
    t.regex(client_secret, /^gcs_/)
  }
  const shop = await own.json(['client', 'show', made.secrets[0].client_id])
  t.like(shop, { kind: 'web', name: 'Shop', redirect_uris: ['https://shop.example.com/callback'], version: 1 })
  t.is(shop.backchannel_logout_uri, 'https://shop.example.com/logged-out')
  t.deepEqual(shop.access[0].scopes, ['orders:read', 'orders:write'])
  const resource = await own.json(['resource', 'show', 'https://orders.example.com'])
  t.like(resource, { access_token_ttl: 60, token_format: 'jwt' })

  const before = await facts(own)
  const again = await apply(own, FILE)
  t.deepEqual([count(again), again.changes, again.secrets], [[0, 0, 0, 4], [], []])
  t.deepEqual(await facts(own), before, 'and nothing is recorded')
})

test.serial('changes leave the same events and audit entries as the commands one by one', async (t) => {
  const own = await operator(t)
  await apply(own, FILE)
  const [, audit] = (await facts(own)) as [unknown, { action: string; channel: string; actor: string }[]]
  const mine = audit.filter(({ action }) => /^(?:client|resource)\./.test(action))
  t.is(mine.length, 4)
  t.true(mine.every(({ channel, actor }) => channel === 'cli' && actor === 'cli'))
})

test.serial(
  'what changed is shown, before and after; what the file leaves out takes its default, or stays',
  async (t) => {
    const own = await operator(t)
    const { secrets } = await apply(own, FILE)
    const [{ client_id: shop }] = secrets
    await own.json(['client', 'update', shop, '--first-party', '--redirect-uri', 'https://old.example.com/'])
    await own.json(['client', 'disable', shop])
    await own.json([
      'resource',
      'update',
      'https://orders.example.com',
      '--name',
      'Old',
      '--access-token-ttl',
      'default',
    ])

    const { status, stdout } = await own.run(['apply', '--file', '-', '--dry-run'], FILE)
    t.is(status, 0)
    t.is(
      stdout,
      `~ resource https://orders.example.com
    name: "Old" → "Orders"
    access_token_ttl: null → 60
~ client ${shop} (Shop)
    redirect_uris:
      - "https://old.example.com/"
      + "https://shop.example.com/callback"
    first_party: true → false
0 created, 2 changed, 0 deleted, 2 unchanged; a dry run: nothing was changed
`,
    )
    const done = await apply(own, FILE)
    t.deepEqual(count(done), [0, 2, 0, 2])
    t.deepEqual(done.changes[1], {
      action: 'update',
      kind: 'client',
      id: shop,
      label: 'Shop',
      fields: {
        redirect_uris: { before: ['https://old.example.com/'], after: ['https://shop.example.com/callback'] },
        first_party: { before: true, after: false },
      },
    })
    t.true((await own.json(['client', 'show', shop])).disabled, 'what was shut stays shut unless the file opens it')

    const open = FILE.replace('    name: Shop\n', '    name: Shop\n    disabled: false\n')
    t.deepEqual((await apply(own, open)).changes[0].fields, { disabled: { before: true, after: false } })
    t.false((await own.json(['client', 'show', shop])).disabled)
  },
)

test.serial('a dry run changes nothing and shows no secret', async (t) => {
  const own = await operator(t)
  const before = await facts(own)
  const shown = await apply(own, FILE, '--dry-run')
  t.deepEqual(count(shown), [4, 0, 0, 0])
  t.deepEqual(shown.secrets, [])
  t.true(shown.dry_run)
  t.true(shown.changes.every(({ id }: { id: unknown }) => id === null))
  t.deepEqual(await own.json(['resource', 'list']), [])
  t.deepEqual(await facts(own), before)
  const { stdout } = await own.run(['apply', '-f', '-', '--dry-run'], FILE)
  t.notRegex(stdout, /gcs_/)
})

test.serial('nothing is deleted unless --prune says so, and then only where the file has a list', async (t) => {
  const own = await operator(t)
  const { secrets } = await apply(own, FILE)
  const rest = `{ version: 1, clients: [{ kind: service, name: Billing }] }`
  t.deepEqual(count(await apply(own, rest)), [0, 1, 0, 0])

  const pruned = await apply(own, rest, '--prune')
  t.deepEqual(count(pruned), [0, 0, 2, 1])
  const left = await own.json(['client', 'list'])
  t.deepEqual(left.map(({ id }: { id: string }) => id).sort(), [ACCOUNT_CLIENT_ID, secrets[1].client_id].sort())
  t.is((await own.json(['resource', 'list'])).length, 1, 'the file does not speak of resources')
  t.deepEqual(count(await apply(own, '{ version: 1, resources: [] }', '--prune')), [0, 0, 1, 0])
})

test.serial('what --prune deletes can not be asked for by a client', async (t) => {
  const own = await operator(t)
  await apply(own, FILE)
  const file = `
version: 1
resources: []
clients:
  - kind: service
    name: Billing
    access: [{ resource: "https://orders.example.com", scopes: ["orders:read"] }]
`
  const { status, stderr } = await own.run(['apply', '-f', '-', '--prune'], file)
  t.is(status, 1)
  t.regex(stderr, /^standard input:7:26: clients\[0\]\.access\[0\]\.resource: is no audience/)
  t.deepEqual(count(await apply(own, file)), [0, 0, 0, 1], 'without --prune it stays')
})

test.serial('every mistake is told at once, with its place; and nothing is changed', async (t) => {
  const own = await operator(t)
  const file = `version: 1
resources:
  - audience: not a uri
    name: ""
    access_token_ttl: 5
    scopes:
      - { name: "openid", description: x }
      - { name: "a:b", description: x }
      - { name: "a:b", description: x }
clients:
  - kind: web
    name: Shop
    redirect_uris:
      - https://shop.example.com/callback
      - https://shop.example.com/#fragment
      - http://shop.example.com/
    grant_types: [client_credentials]
    access:
      - resource: https://nobody.example.com
        scopes: [x]
      - resource: https://orders.example.com
        scopes: [orders:read, orders:rea]
  - id: cli_nonsense
    kind: service
    name: Billing
    first_party: true
  - kind: spa
    name: Twice
    redirect_uris: [https://a.example.com/]
  - kind: spa
    name: Twice
    redirect_uris: [https://b.example.com/]
`
  const good = `{ version: 1, resources: [{ audience: "https://orders.example.com", name: O, scopes: [{ name: "orders:read", description: d }] }] }`
  await apply(own, good)
  const before = await facts(own)
  const withGood = file.replace(
    'resources:\n',
    'resources:\n  - audience: https://orders.example.com\n    name: O\n    scopes: [{ name: "orders:read", description: d }]\n',
  )
  const { status, stdout, stderr } = await own.run(['apply', '-f', '-'], withGood)
  t.deepEqual([status, stdout], [1, ''])
  const lines = stderr.trimEnd().split('\n')
  const places = lines
    .slice(0, -1)
    .map((line) => /^standard input:(\d+):(\d+): ([^:]+):/.exec(line)?.slice(1).join(' '))
  t.deepEqual(places, [
    '6 15 resources[1].audience',
    '7 11 resources[1].name',
    '8 23 resources[1].access_token_ttl',
    '9 5 resources[1].scopes',
    '10 9 resources[1].scopes[0]',
    '18 9 clients[0].redirect_uris[1]',
    '19 9 clients[0].redirect_uris[2]',
    '20 5 clients[0].grant_types',
    '22 19 clients[0].access[0].resource',
    '25 31 clients[0].access[1].scopes[1]',
    '26 9 clients[1].id',
    '29 18 clients[1].first_party',
    '33 5 clients[3]',
  ])
  t.is(lines.at(-1), 'grantry: the file has 13 mistakes, see above; nothing was changed')
  t.deepEqual(await facts(own), before)
})

for (const [name, text, told] of [
  [
    'an unknown field',
    'version: 1\nclients:\n  - kind: spa\n    name: x\n    redirect_urls: []\n',
    /:5:5: clients\[0\]\.redirect_urls: is not known here/,
  ],
  ['a missing field', 'version: 1\nclients:\n  - kind: spa\n', /:3:5: clients\[0\]\.name: is missing/],
  ['a wrong type', 'version: 1\nclients:\n  - kind: spa\n    name: 12\n', /:4:11: clients\[0\]\.name: must be text/],
  [
    'a word that is none of the choice',
    'version: 1\nclients:\n  - { kind: ap, name: x }\n',
    /:3:13: clients\[0\]\.kind: must be web or spa or native or service/,
  ],
  ['a key that stands there twice', 'version: 1\nclients: []\nclients: []\n', /:3:1: clients stands here twice/],
  ['broken YAML', 'version: 1\nclients: [\n', /:3:1: /],
  ['two documents', 'version: 1\n---\nversion: 1\n', /:2:1: /],
  ['an alias', 'version: 1\nresources: &r []\nclients: *r\n', /:2:15: the anchor &r .*\n.*:3:10: the alias \*r/],
  ['a tag', 'version: 1\nclients: !!js/function x\n', /:2:10: .*tag/],
  ['another version', 'version: 2\n', /:1:10: version: must be 1/],
  ['nothing', '', /:1:1: .*is missing/],
  ['a list', '- 1\n', /:1:1: must be a set of names and values/],
  ['a prototype', 'version: 1\n__proto__: { polluted: 1 }\n', /:2:1: __proto__: is not known here/],
  [
    'a bomb of aliases',
    `a: &a [x,x]\n${'bcdefghij'.replaceAll(/./g, (c) => `${c}: &${c} [*a,*a]\n`)}version: 1\n`,
    /is not taken here/,
  ],
  ['a deep nest', '['.repeat(100_000), /:1:1: is nested too deeply/],
] as const) {
  test.serial(`a file with ${name} is refused with its place`, async (t) => {
    const { status, stdout, stderr } = await (await shared()).run(['apply', '-f', '-'], text)
    t.deepEqual([status, stdout], [1, ''])
    t.regex(stderr, told)
    t.regex(stderr, /\ngrantry: the file has .*; nothing was changed\n$/)
  })
}

let only: Promise<Operator> | undefined
const ends: (() => unknown)[] = []
test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

/** One database for files that never reach it. */
function shared(): Promise<Operator> {
  return (only ??= operator({ teardown: (end) => void ends.push(end) }))
}

test.serial('a file that can not be read, is too large or no text is one clear line', async (t) => {
  const { run, env } = await shared()
  const path = join(env.DATA_DIR ?? '', 'binary')
  await writeFile(path, Buffer.from([0x76, 0xff, 0xfe]))
  for (const [args, input, told] of [
    [['apply', '-f', '/nowhere/x.yaml'], '', /^grantry: \/nowhere\/x\.yaml can not be read: ENOENT\n$/],
    [['apply', '-f', '/'], '', /^grantry: \/ can not be read: EISDIR\n$/],
    [['apply', '-f', path], '', /is no UTF-8 text\n$/],
    [['apply', '-f', '-'], `# ${'x'.repeat(1024 * 1024)}`, /is larger than 1048576 bytes\n$/],
    [['apply'], '', /--file/],
    [['export', '-o', '/nowhere/x.yaml'], '', /^grantry: \/nowhere\/x\.yaml can not be written: ENOENT\n$/],
  ] as const) {
    const { status, stdout, stderr } = await run([...args], input)
    t.deepEqual([status, stdout], [1, ''])
    t.regex(stderr, told)
    t.is(stderr.split('\n').length, 2)
  }
})

test.serial('a client is found by its id, else by its name; what is not the operator’s is refused', async (t) => {
  const own = await operator(t)
  const { secrets } = await apply(own, '{ version: 1, clients: [{ kind: service, name: One }] }')
  const [{ client_id: id }] = secrets
  const renamed = await apply(own, `{ version: 1, clients: [{ id: ${id}, kind: service, name: Two }] }`)
  t.deepEqual(renamed.changes[0].fields, { name: { before: 'One', after: 'Two' } })
  t.deepEqual(count(await apply(own, '{ version: 1, clients: [{ kind: service, name: " Two " }] }')), [0, 0, 0, 1])

  await own.json(['client', 'create', '--kind', 'service', '--name', 'Two'])
  const refused = async (text: string) => (await own.run(['apply', '-f', '-'], text)).stderr
  t.regex(await refused('{ version: 1, clients: [{ kind: service, name: Two }] }'), /say by id which is meant/)
  t.regex(
    await refused(
      `{ version: 1, clients: [{ id: ${id}, kind: spa, name: Two, redirect_uris: [https://a.example.com/] }] }`,
    ),
    /clients\[0\]\.kind: never changes: it is service/,
  )
  t.regex(
    await refused(
      `{ version: 1, clients: [{ id: ${ACCOUNT_CLIENT_ID}, kind: web, name: A, redirect_uris: [https://a.example.com/] }] }`,
    ),
    /part of Grantry itself/,
  )
})

test.serial(
  'an export changes nothing where it comes from, and makes the same, ids included, on an empty server',
  async (t) => {
    const own = await operator(t)
    const { secrets } = await apply(own, FILE)
    await own.json(['client', 'disable', secrets[1].client_id])
    const tricky = [
      '--kind',
      'native',
      '--name',
      `yes: "no" # 'x' – ünï`,
      '--redirect-uri',
      'com.example.app:/callback',
    ]
    await own.json(['client', 'create', ...tricky])
    const { stdout: yaml } = await own.run(['export'])
    for (const { client_secret } of secrets) t.false(yaml.includes(client_secret))
    t.false(yaml.includes(ACCOUNT_CLIENT_ID))
    t.deepEqual(count(await apply(own, yaml, '--prune')), [0, 0, 0, 5])
    t.deepEqual(count(await apply(own, JSON.stringify(await own.json(['export'])))), [0, 0, 0, 5])

    const other = await operator(t)
    const made = await apply(other, yaml)
    t.deepEqual(count(made), [5, 0, 0, 0])
    t.is(made.secrets.length, 2, 'new secrets of its own')
    t.is((await other.run(['export'])).stdout, yaml)
    t.deepEqual(count(await apply(other, yaml, '--prune')), [0, 0, 0, 5])

    const directory = await mkdtemp(join(tmpdir(), 'grantry-export-'))
    t.teardown(() => rm(directory, { recursive: true }))
    const path = join(directory, 'registry.yaml')
    const { stdout } = await own.run(['export', '--output', path])
    t.is(stdout, `1 resources and 4 clients written to ${path}\n`)
    t.is(await readFile(path, 'utf8'), yaml)
    t.deepEqual(count(await own.json(['apply', '-f', path])), [0, 0, 0, 5])
  },
)

test.serial('two who apply the same file at once make everything once', async (t) => {
  const own = await operator(t)
  const outcomes = await Promise.all([apply(own, FILE), apply(own, FILE), apply(own, FILE)])
  const created = outcomes.map((outcome) => count(outcome)[0]).sort()
  t.deepEqual(created, [0, 0, 4])
  t.is((await own.json(['client', 'list'])).length, 4)
})

test.serial('all of it or nothing: what fails on the way takes everything back', async (t) => {
  const database = await testDatabase(t)
  const own = await operator(t, database.url)
  await database.pool.query(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not this one'; end $$;
    create trigger refuse before insert on clients for each row when (new.name = 'Page') execute function refuse()`)
  const { status } = await own.run(['apply', '-f', '-'], FILE)
  t.is(status, 1)
  t.deepEqual(await own.json(['resource', 'list']), [])
  t.is((await own.json(['client', 'list'])).length, 1)
  t.is((await own.run(['apply', '-f', '-', '--dry-run'], FILE)).status, 1, 'a dry run meets it too')
})

test.serial(
  'profiles and what is open to clients that register themselves are declared; contradictions are told',
  async (t) => {
    const own = await operator(t)
    const file = (more: string) => `
version: 1
resources:
  - audience: https://open.example.com
    name: Open
    self_registered_scopes: [read]
    scopes: [{ name: read, description: Read }, { name: write, description: Write }]
clients:
  - kind: native
    name: Agent
    profile: mcp
    redirect_uris: [http://127.0.0.1/callback]
  - kind: service
    name: Job
    profile: fapi2
    ${more}
  - kind: service
    name: Caller
    grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange']
    exchange_from: [https://open.example.com]
`
    const keys = 'jwks: { keys: [{ kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }] }'
    const made = await apply(own, file(keys))
    t.deepEqual(count(made), [4, 0, 0, 0])
    t.is(made.secrets.length, 1, 'only the last has a secret')
    t.deepEqual(count(await apply(own, file(keys))), [0, 0, 0, 4])
    t.deepEqual((await own.json(['resource', 'show', 'https://open.example.com'])).self_registered_scopes, ['read'])
    const clients = await own.json(['client', 'list'])
    const job = clients.find(({ name }: { name: string }) => name === 'Job')
    t.like(job, { profile: 'fapi2', token_endpoint_auth_method: 'private_key_jwt', dpop_bound_access_tokens: true })

    const wrong = await own.run(['apply', '-f', '-'], file(`${keys}\n    dpop_bound_access_tokens: false`))
    t.regex(wrong.stderr, /dpop_bound_access_tokens.*profile fapi2: access tokens are bound to a key/)
    const stray = await own.run(['apply', '-f', '-'], file(keys).replace('[read]', '[read, delete]'))
    t.regex(stray.stderr, /self_registered_scopes.*"delete" is no scope of the resource/)
  },
)
