/** Each convention on each resource where it applies, performed. */
import { get as httpGet, type IncomingHttpHeaders } from 'node:http'
import type { Plain } from './document.ts'
import { FRESH } from './refusals.ts'
import { idempotencyKey, type Reply, type World } from './world.ts'

interface Resource {
  list: string
  read?: string
  create?: string
  change?: string
}

export const RESOURCES: Readonly<Record<string, Resource>> = {
  users: { list: 'listUsers', read: 'readUser', create: 'createUser', change: 'updateUser' },
  sessions: { list: 'listUserSessions', read: 'readUserSession' },
  consents: { list: 'listUserConsents', read: 'readUserConsent' },
  families: { list: 'listUserTokenFamilies', read: 'readUserTokenFamily' },
  resources: { list: 'listResources', read: 'readResource', create: 'createResource', change: 'updateResource' },
  clients: { list: 'listClients', read: 'readClient', create: 'createClient', change: 'updateClient' },
  secrets: { list: 'listClientSecrets', create: 'rotateClientSecret' },
  api_keys: { list: 'listApiKeys', read: 'readApiKey', create: 'createApiKey', change: 'updateApiKey' },
  keys: { list: 'listKeys', read: 'readKey' },
  audit: { list: 'listAuditEvents', read: 'readAuditEvent' },
  webhooks: { list: 'listWebhooks', read: 'readWebhook', create: 'createWebhook', change: 'updateWebhook' },
  deliveries: { list: 'listWebhookDeliveries', read: 'readWebhookDelivery' },
}

/** Undefined: it does not apply here. */
type Cell = (world: World, resource: Resource) => Promise<boolean | undefined>

export const CONVENTIONS: Readonly<Record<string, Cell>> = {
  ETag: async ({ send }, { read, list }) => (await send(read ?? list)).headers.has('etag'),
  '304': async ({ send }, { read, list }) => {
    const id = read ?? list
    const tag = (await send(id)).headers.get('etag') ?? ''
    return (await send(id, { headers: { 'if-none-match': tag } })).status === 304
  },
  '412': async (world, { change }) =>
    change === undefined
      ? undefined
      : has(await attempt(world, change, '"999999-00000000"'), 412, 'precondition-failed'),
  '428': async (world, { change }) =>
    change === undefined ? undefined : has(await attempt(world, change, undefined), 428, 'precondition-required'),
  'Idempotency-Key': async ({ send }, { create }) => {
    const fresh = create && FRESH[create]
    if (!fresh) return undefined
    const request = { ...fresh(), headers: idempotencyKey() }
    const [first, again] = [await send(create, request), await send(create, request)]
    return (
      first.status === again.status &&
      first.body.id === again.body.id &&
      again.headers.get('idempotent-replayed') === 'true'
    )
  },
  cursor: async (world, { list }) => {
    if (!parameters(world, list).has('cursor')) return undefined
    const first = await world.send(list, { query: { limit: '1', cursor: '' } })
    const { next_cursor: cursor } = first.body.pagination
    if (cursor === null) return first.body.pagination.has_more === false
    const second = await world.send(list, { query: { limit: '1', cursor } })
    return second.status === 200 && second.body.data[0].id !== first.body.data[0].id
  },
  offset: async (world, { list }) => {
    if (!parameters(world, list).has('page')) return undefined
    const { body } = await world.send(list, { query: { page: '1', limit: '1' } })
    return body.pagination.page === 1 && body.pagination.total_items >= 1 && body.pagination.total_pages >= 1
  },
  filter: async (world, { list }) => {
    const filters = [...parameters(world, list).values()].filter(
      ({ name, schema }) => !KIT.has(name as string) && !schema.enum && !schema.format,
    )
    if (filters.length === 0) return undefined
    const { body } = await world.send(list, { query: { [String(filters[0]?.name)]: 'nothing-has-this' } })
    return Array.isArray(body.data) && body.data.length === 0
  },
  sort: async (world, { list }) => {
    const values = parameters(world, list).get('sort')?.schema.enum as string[] | undefined
    if (!values) return undefined
    for (const sort of values) if ((await world.send(list, { query: { sort } })).status !== 200) return false
    return has(await world.send(list, { query: { sort: 'shoe_size' } }), 400, 'invalid-request')
  },
  fields: async (world, { list }) => {
    const names = parameters(world, list).get('fields')?.schema.items.enum as string[] | undefined
    const chosen = names?.find((name) => name !== 'id' && name !== 'links')
    if (!chosen) return undefined
    const { body } = await world.bare(list, { query: { fields: chosen } })
    return (
      Object.keys(body.data[0] as Plain)
        .sort()
        .join() ===
      ['id', 'links', chosen]
        .filter((name) => names?.includes(name))
        .sort()
        .join()
    )
  },
  CSV: async (world, { list }) => {
    const media = contentOf(world, list)['text/csv']
    if (!media) return undefined
    const { headers, body } = await world.send(list, { headers: { accept: 'text/csv' } })
    const header = media.examples.header.value as string
    return (
      headers.get('content-type')?.startsWith('text/csv') === true && (body as unknown as string).startsWith(header)
    )
  },
  links: async ({ send }, { list, read }) => {
    const { body, headers } = await send(list)
    const self = read ? (await send(read)).body.links.self.href : body.links.self
    return typeof self === 'string' && body.links.self !== undefined && /rel="self"/.test(headers.get('link') ?? '')
  },
  HEAD: async ({ bare }, { list }) => {
    const head = await bare(list, { method: 'HEAD' })
    return head.status === 200 && (head.body as unknown) === '' && head.headers.has('etag')
  },
  OPTIONS: async ({ bare }, { list }) => {
    const { status, headers } = await bare(list, { method: 'OPTIONS' })
    return status === 204 && /GET, HEAD/.test(headers.get('allow') ?? '')
  },
  '405': async ({ bare }, { list }) => {
    const reply = await bare(list, { method: 'PATCH' })
    return has(reply, 405, 'method-not-allowed') && reply.headers.has('allow')
  },
  '406': async ({ send }, { list }) =>
    has(await send(list, { headers: { accept: 'image/png' } }), 406, 'not-acceptable'),
  '415': async ({ send }, { create }) =>
    create === undefined
      ? undefined
      : has(
          await send(create, { body: 'x', headers: { 'content-type': 'text/plain' } }),
          415,
          'unsupported-media-type',
        ),
  German: async ({ send }, { list }) => {
    const { headers, body } = await send(list, { key: null, headers: { 'accept-language': 'de-AT, en;q=0.5' } })
    return headers.get('content-language') === 'de' && !String(body.title).startsWith('A valid')
  },
  gzip: (world, { list }) => isCompressed(world, list, 'gzip'),
  br: (world, { list }) => isCompressed(world, list, 'br'),
  zstd: (world, { list }) => isCompressed(world, list, 'zstd'),
  'vendor type': async ({ send }, { list }) => {
    const type = 'application/vnd.grantry.v1+json'
    return (await send(list, { headers: { accept: type } })).headers.get('content-type')?.startsWith(type)
  },
  'API-Version': async ({ send }, { list }) => {
    const known = await send(list, { headers: { 'api-version': '1' } })
    return (
      known.headers.get('api-version') === '1' &&
      has(await send(list, { headers: { 'api-version': '9' } }), 400, 'version-unknown')
    )
  },
}

const KIT = new Set(['limit', 'cursor', 'page', 'sort', 'include', 'fields', 'version', 'after'])

function parameters({ contract }: World, id: string): Map<string, Plain> {
  const given = (contract.operations.get(id)?.operation.parameters ?? []) as Plain[]
  const query = given.map(contract.resolve).filter((one) => one.in === 'query')
  return new Map(query.map((one) => [one.name as string, one]))
}

function contentOf({ contract }: World, id: string): Record<string, Plain> {
  return (contract.operations.get(id)?.operation.responses[200].content ?? {}) as Record<string, Plain>
}

function attempt({ contract, send }: World, id: string, tag: string | undefined): Promise<Reply> {
  return send(id, { body: contract.example(id)?.value, headers: { 'if-match': tag } })
}

function has({ status, body }: Reply, wanted: number, code: string): boolean {
  return status === wanted && String(body.type).endsWith(`#${code}`)
}

/** Answers below a kibibyte are not worth it. */
async function isCompressed(world: World, id: string, coding: string): Promise<boolean | undefined> {
  const { url, headers } = world.addressOf(id)
  const ask = (encoding: string) =>
    new Promise<IncomingHttpHeaders>((resolve, reject) => {
      httpGet(url, { headers: { ...headers, 'accept-encoding': encoding } }, (answer) => {
        answer.resume()
        resolve(answer.headers)
      }).on('error', reject)
    })
  if (Number((await ask('identity'))['content-length'] ?? 0) < 1024) return undefined
  const answer = await ask(coding)
  return answer['content-encoding'] === coding && /accept-encoding/i.test(String(answer.vary))
}

/** The table as text: `+` holds, `-` does not, `·` does not apply. */
export async function matrix(world: World): Promise<{ text: string; failed: string[] }> {
  const names = Object.keys(RESOURCES)
  const failed: string[] = []
  const width = Math.max(...Object.keys(CONVENTIONS).map((name) => name.length))
  const lines = [`${''.padEnd(width)} ${names.join(' ')}`]
  for (const [convention, cell] of Object.entries(CONVENTIONS)) {
    const marks: string[] = []
    for (const name of names) {
      const holds = await cell(world, RESOURCES[name]!)
      if (holds === false) failed.push(`${convention} of ${name}`)
      marks.push((holds === undefined ? '·' : holds ? '+' : '-').padEnd(name.length))
    }
    lines.push(`${convention.padEnd(width)} ${marks.join(' ')}`.trimEnd())
  }
  return { text: lines.join('\n'), failed }
}
