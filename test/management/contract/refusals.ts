/** Written by hand: in which of the usual ways each operation refuses. What is special to one stands in `SPECIAL`. */
import { idempotencyKey, type Sending, type World } from './world.ts'

export interface Refusal {
  status: number
  code: string
  send: (world: World, id: string) => Promise<Sending>
}

const NOWHERE = {
  user_id: 'usr_nobody',
  session_id: 'none',
  consent_id: 'cli_nobody',
  family_id: 'none',
  resource_id: 'res_none',
  client_id: 'cli_none',
  secret_id: 'sec_none',
  api_key_id: 'apk_none',
  kid: 'none',
  audit_event_id: '999999999',
  webhook_id: 'whk_none',
  delivery_id: 'dlv_none',
}

const body = (world: World, id: string) => {
  const example = world.contract.example(id)
  return example && { body: example.value }
}

/** The usual ways, by a letter. */
export const USUAL: Readonly<Record<string, Refusal>> = {
  a: { status: 401, code: 'unauthenticated', send: async () => ({ key: null }) },
  s: { status: 403, code: 'insufficient-scope', send: async ({ powerless }, id) => ({ key: powerless(id) }) },
  n: {
    status: 404,
    code: 'not-found',
    send: async (world, id) => ({
      params: NOWHERE,
      ...body(world, id),
      headers: { 'if-match': matches(world, id, '*') },
    }),
  },
  m: { status: 405, code: 'method-not-allowed', send: async (world, id) => ({ method: missingMethod(world, id) }) },
  r: { status: 406, code: 'not-acceptable', send: async () => ({ headers: { accept: 'image/png' } }) },
  t: {
    status: 415,
    code: 'unsupported-media-type',
    send: async () => ({ body: '<name/>', headers: { 'content-type': 'application/xml' } }),
  },
  v: {
    status: 412,
    code: 'precondition-failed',
    send: async (world, id) => ({ ...body(world, id), headers: { 'if-match': '"999999-00000000"' } }),
  },
  p: { status: 428, code: 'precondition-required', send: async (world, id) => ({ ...body(world, id) }) },
  i: {
    status: 422,
    code: 'idempotency-key-reused',
    // The key was used for what the test of repetitions sent with it; any other content is another request.
    send: async (world, id) => {
      const headers = idempotencyKey()
      const fresh = { ...FRESH[id]?.(), headers }
      const made = await world.send(id, fresh)
      if (made.status >= 300) throw new Error(`${id} did not answer its first request: ${JSON.stringify(made.body)}`)
      return { ...fresh, body: { ...(fresh.body as object), ...OTHERWISE[id] } }
    },
  },
  f: {
    status: 409,
    code: 'idempotency-key-in-flight',
    send: async (world, id) => {
      const headers = idempotencyKey()
      const fresh = { ...FRESH[id]?.(), headers }
      await world.send(id, fresh)
      // As it stands while the first request is under way.
      await world.server.db.pool.query(
        `update idempotency_keys set status = null, headers = null, body = null, leased_until = now() + interval '1 minute'
         where created_at = (select max(created_at) from idempotency_keys)`,
      )
      return fresh
    },
  },
}

/** Nobody listens there, and it is this machine. */
const NEARBY = 'http://127.0.0.1:9/hooks'
/** A cursor beyond all events. */
const LATEST = '999999'

/** What may be sent as often as one likes, and how it may differ. */
let count = 0
const unique = () => `contract-${(count += 1)}`
export const FRESH: Record<string, () => { body: Record<string, unknown> }> = {
  createUser: () => ({ body: { username: unique(), password: 'lantern obstacle quiver marmalade' } }),
  createResource: () => ({ body: { audience: `https://${unique()}.example.com`, name: 'One', scopes: [] } }),
  createClient: () => ({ body: { kind: 'service', name: 'One' } }),
  rotateClientSecret: () => ({ body: { overlap_seconds: 60 } }),
  createApiKey: () => ({ body: { name: 'One', scopes: ['users:read'] } }),
  rotateApiKey: () => ({ body: { overlap_seconds: 0 } }),
  createWebhook: () => ({ body: { url: NEARBY, events: ['user.*'] } }),
  rotateWebhookSecret: () => ({ body: { overlap_seconds: 0 } }),
  replayWebhookDeliveries: () => ({ body: { from: LATEST } }),
}
const OTHERWISE: Record<string, object> = {
  createUser: { name: 'Another' },
  createResource: { name: 'Another' },
  createClient: { name: 'Another' },
  rotateClientSecret: { overlap_seconds: 61 },
  createApiKey: { name: 'Another' },
  rotateApiKey: { overlap_seconds: 1 },
  createWebhook: { description: 'Another' },
  rotateWebhookSecret: { overlap_seconds: 1 },
  replayWebhookDeliveries: { to: LATEST },
}

/**
 * a 401 · s 403 · n 404 · m 405 · r 406 · f 409 in flight · v 412 · t 415 · i 422 · p 428
 */
export const TABLE: Readonly<Record<string, string>> = {
  listUsers: 'asmr',
  createUser: 'asmrfti',
  readUser: 'asnmr',
  replaceUser: 'asnmrvtp',
  updateUser: 'asnmrvtp',
  deleteUser: 'asnmvp',
  setUserPassword: 'asnmt',
  listUserSessions: 'asnmr',
  endUserSessions: 'asnm',
  readUserSession: 'asnmr',
  endUserSession: 'asnm',
  listUserConsents: 'asnmr',
  readUserConsent: 'asnmr',
  withdrawUserConsent: 'asnm',
  listUserTokenFamilies: 'asnmr',
  readUserTokenFamily: 'asnmr',
  revokeUserTokenFamily: 'asnm',
  listResources: 'asmr',
  createResource: 'asmrfti',
  readResource: 'asnmr',
  replaceResource: 'asnmrvtp',
  updateResource: 'asnmrvtp',
  deleteResource: 'asnmvp',
  listClients: 'asmr',
  createClient: 'asmrfti',
  readClient: 'asnmr',
  replaceClient: 'asnmrvtp',
  updateClient: 'asnmrvtp',
  deleteClient: 'asnmvp',
  listClientSecrets: 'asnmr',
  rotateClientSecret: 'asnmrfti',
  deleteClientSecret: 'asnm',
  listApiKeys: 'asmr',
  createApiKey: 'asmrfti',
  readApiKey: 'asnmr',
  updateApiKey: 'asnmrvtp',
  revokeApiKey: 'asnmvp',
  rotateApiKey: 'asnmrfti',
  listKeys: 'asmr',
  readKey: 'asnmr',
  deleteKey: 'asnmr',
  rotateKeys: 'asmrt',
  listWebhooks: 'asmr',
  createWebhook: 'asmrfti',
  readWebhook: 'asnmr',
  replaceWebhook: 'asnmrvtp',
  updateWebhook: 'asnmrvtp',
  deleteWebhook: 'asnmvp',
  rotateWebhookSecret: 'asnmrfti',
  listWebhookDeliveries: 'asnmr',
  replayWebhookDeliveries: 'asnmrti',
  readWebhookDelivery: 'asnmr',
  testWebhook: 'asnmrf',
  listEvents: 'asmr',
  listAuditEvents: 'asmr',
  readAuditEvent: 'asnmr',
}

/** Needs events that were kept for longer than they are: what stands for itself in the tests of events. */
export const ELSEWHERE = ['listEvents 410', 'replayWebhookDeliveries 410']

/** Conflicts and other refusals that one operation alone knows. */
export const SPECIAL: readonly (Refusal & { id: string })[] = [
  special('createUser', 409, 'username-taken', async ({ person }) => ({
    body: { username: person.username, password: 'lantern obstacle quiver marmalade' },
  })),
  special('createUser', 409, 'email-taken', async (world) => {
    await world.send('createUser', {
      body: { username: 'edda', email: 'edda@example.com', password: 'lantern obstacle quiver marmalade' },
    })
    return { body: { username: 'erda', email: 'edda@example.com', password: 'lantern obstacle quiver marmalade' } }
  }),
  special('updateUser', 409, 'username-taken', async (world) => {
    const other = await world.send('createUser', {
      body: { username: unique(), password: 'lantern obstacle quiver marmalade' },
    })
    return { body: { username: other.body.username as string }, headers: { 'if-match': '*' } }
  }),
  special('replaceUser', 409, 'username-taken', async (world) => {
    const other = await world.send('createUser', {
      body: { username: unique(), password: 'lantern obstacle quiver marmalade' },
    })
    return { body: { username: other.body.username as string }, headers: { 'if-match': '*' } }
  }),
  special('createResource', 409, 'audience-taken', async () => ({
    body: { audience: 'https://world.example.com', name: 'Again', scopes: [] },
  })),
  special('rotateClientSecret', 409, 'no-secret', async (world) => {
    const made = await world.send('createClient', {
      body: { kind: 'spa', name: 'Spa', redirect_uris: ['https://spa.example.com/callback'] },
    })
    return { params: { client_id: made.body.id as string }, body: {} }
  }),
  special('deleteClientSecret', 409, 'last-secret', async (world) => {
    const made = await world.send('createClient', { body: { kind: 'service', name: 'Last' } })
    return { params: { client_id: made.body.id as string, secret_id: made.body.secrets[0].id as string } }
  }),
  special('updateApiKey', 409, 'key-ended', async (world) => ({
    params: { api_key_id: await endedKey(world) },
    body: { name: 'Again' },
    headers: { 'if-match': '*' },
  })),
  special('rotateApiKey', 409, 'key-ended', async (world) => ({
    params: { api_key_id: await endedKey(world) },
    body: {},
  })),
  special('rotateKeys', 409, 'next-key-too-young', async () => ({ body: { alg: 'ES256' } })),
  special('deleteResource', 403, 'built-in', async (world) => ({
    params: { resource_id: await builtInResource(world) },
    headers: { 'if-match': '*' },
  })),
  special('testWebhook', 409, 'webhook-inactive', async (world) => ({
    params: { webhook_id: await pausedWebhook(world) },
  })),
  special('replayWebhookDeliveries', 409, 'webhook-inactive', async (world) => ({
    params: { webhook_id: await pausedWebhook(world) },
    body: { from: '1' },
  })),
  special('testWebhook', 422, 'idempotency-key-reused', async (world) => {
    const headers = idempotencyKey()
    await world.send('testWebhook', { headers })
    const other = await world.send('createWebhook', { body: { url: NEARBY, events: ['key.*'] } })
    return { params: { webhook_id: other.body.id as string }, headers }
  }),
  special('createApiKey', 403, 'privilege-raised', async (world) => {
    const made = await world.send('createApiKey', { body: { name: 'Small', scopes: ['api-keys:write'] } })
    return { key: made.body.value as string, body: { name: 'Large', scopes: ['users:write'] } }
  }),
]

function special(id: string, status: number, code: string, send: (world: World) => Promise<Sending>) {
  return { id, status, code, send }
}

async function endedKey({ send }: World): Promise<string> {
  const made = await send('createApiKey', { body: { name: 'Ended', scopes: ['users:read'] } })
  const params = { api_key_id: made.body.id as string }
  await send('revokeApiKey', { params, headers: { 'if-match': '*' } })
  return params.api_key_id
}

async function pausedWebhook({ send }: World): Promise<string> {
  const made = await send('createWebhook', { body: { url: NEARBY, events: ['key.*'] } })
  const params = { webhook_id: made.body.id as string }
  await send('updateWebhook', { params, body: { state: 'paused' }, headers: { 'if-match': '*' } })
  return params.webhook_id
}

async function builtInResource({ send }: World): Promise<string> {
  const { body } = await send('listResources', { query: { limit: '100' } })
  return (body.data as { id: string; built_in: boolean }[]).find((one) => one.built_in)?.id ?? ''
}

function matches(world: World, id: string, tag: string): string | undefined {
  return Object.hasOwn(world.contract.operations.get(id)?.operation.responses as object, '428') ? tag : undefined
}

/** A method that the path has not. */
function missingMethod({ contract }: World, id: string): string {
  const path = contract.operations.get(id)?.path
  const had = new Set([...contract.operations.values()].filter((one) => one.path === path).map(({ method }) => method))
  return ['DELETE', 'PATCH', 'PUT', 'POST'].find((method) => !had.has(method)) ?? 'GET'
}
