/** Every operation of the management API once, with the examples of the document, in an order that works. */
import type { ExecutionContext } from 'ava'
import { buildUser } from '../../support/registry.ts'
import type { Plain } from './document.ts'
import { ifMatch, type Reply, type Sending, type World } from './world.ts'

type Step = (id: string, sending?: Sending, status?: number) => Promise<Reply>

export async function walk(t: ExecutionContext, world: World): Promise<void> {
  const step: Step = async (id, sending = {}, status = 200) => {
    const reply = await world.send(id, sending)
    t.is(reply.status, status, `${id}: ${JSON.stringify(reply.body).slice(0, 300)}`)
    return reply
  }
  const tools: Tools = {
    world,
    step,
    /** Reads something, and again with its tag. */
    async read(id, params = {}) {
      const reply = await step(id, { params })
      // Deliveries go on meanwhile: what changed in between is read again.
      for (let known = reply, tries = 0; ; tries += 1) {
        const again = await world.send(id, { params, headers: { 'if-none-match': known.headers.get('etag') ?? '' } })
        if (again.status === 304) break
        t.true(tries < 5, `${id} is never unchanged`)
        known = again
      }
      return reply
    },
    async make(id, params = {}, status = 201) {
      const made: Reply[] = []
      for (const body of Object.values(world.contract.examples(id)).map(nearby))
        made.push(await step(id, { params, body }, status))
      return made
    },
    async change(id, params, reading) {
      let last: Reply | undefined
      for (const body of Object.values(world.contract.examples(id)).map(nearby)) {
        const headers = reading === undefined ? {} : ifMatch(await world.send(reading, { params }))
        last = await step(id, { params, body, headers }, reading === undefined ? 204 : 200)
      }
      if (!last) throw new Error(`${id} has no example`)
      return last
    },
    async remove(id, params, reading) {
      await step(id, { params, headers: ifMatch(await world.send(reading, { params })) }, 204)
      t.is((await world.send(reading, { params })).status, 404)
    },
  }
  await users(tools)
  await openThings(tools)
  await clientsAndResources(t, tools)
  await apiKeys(tools)
  await signingKeys(tools)
  await webhooks(tools)
  await tools.read('listEvents')
  await tools.read('listAuditEvents')
  await tools.read('readAuditEvent')
}

/** Examples name hosts of others. Nothing of a test leaves the machine: nobody listens here. */
function nearby(body: Plain): Plain {
  return 'url' in body ? { ...body, url: 'http://127.0.0.1:9/hooks' } : body
}

interface Tools {
  world: World
  step: Step
  read: (id: string, params?: Record<string, string>) => Promise<Reply>
  make: (id: string, params?: Record<string, string>, status?: number) => Promise<Reply[]>
  change: (id: string, params: Record<string, string>, reading?: string) => Promise<Reply>
  remove: (id: string, params: Record<string, string>, reading: string) => Promise<void>
}

const idOf = (reply: Reply | undefined) => reply?.body.id as string

async function users({ make, read, change, remove }: Tools): Promise<void> {
  const [ada] = await make('createUser')
  const params = { user_id: idOf(ada) }
  await read('listUsers')
  await read('readUser', params)
  await change('replaceUser', params, 'readUser')
  await change('updateUser', params, 'readUser')
  await change('setUserPassword', params)
  await remove('deleteUser', params, 'readUser')
}

async function openThings({ world, step, read }: Tools): Promise<void> {
  const person = await buildUser(world.server.db)
  const params = await world.open(person)
  for (const [list, one] of [
    ['listUserSessions', 'readUserSession'],
    ['listUserConsents', 'readUserConsent'],
    ['listUserTokenFamilies', 'readUserTokenFamily'],
  ] as const) {
    await read(list, params)
    await read(one, params)
  }
  await step('revokeUserTokenFamily', { params }, 204)
  await step('withdrawUserConsent', { params }, 204)
  await step('endUserSession', { params }, 204)
  await step('endUserSessions', { params }, 204)
}

async function clientsAndResources(t: ExecutionContext, { step, make, read, change, remove }: Tools): Promise<void> {
  const [notes] = await make('createResource')
  const resource = { resource_id: idOf(notes) }
  await read('listResources')
  await read('readResource', resource)
  await change('replaceResource', resource, 'readResource')
  await change('updateResource', resource, 'readResource')

  const [web] = await make('createClient')
  const client = { client_id: idOf(web) }
  await read('listClients')
  await read('readClient', client)
  await change('replaceClient', client, 'readClient')
  await change('updateClient', client, 'readClient')
  await step('rotateClientSecret', { params: client, body: { overlap_seconds: 3600 } }, 201)
  const secrets = await read('listClientSecrets', client)
  t.is(secrets.body.data.length, 2)
  await step('deleteClientSecret', { params: { ...client, secret_id: secrets.body.data[0].id as string } }, 204)
  await make('rotateClientSecret', client)
  await remove('deleteClient', client, 'readClient')
  await remove('deleteResource', resource, 'readResource')
}

async function apiKeys({ world, step, make, read, change }: Tools): Promise<void> {
  const [machine] = await make('createApiKey')
  const params = { api_key_id: idOf(machine) }
  await read('listApiKeys')
  await read('readApiKey', params)
  await change('updateApiKey', params, 'readApiKey')
  await make('rotateApiKey', params, 200)
  await step('revokeApiKey', { params, headers: ifMatch(await world.send('readApiKey', { params })) }, 204)
}

async function signingKeys({ world, step, make, read }: Tools): Promise<void> {
  await read('listKeys')
  await read('readKey')
  await world.server.db.pool.query(`update signing_keys set published_at = published_at - interval '1 day'`)
  await make('rotateKeys', {}, 200)
  const keys = await world.send('listKeys', { query: { state: 'previous' } })
  await step('deleteKey', { params: { kid: keys.body.data[0].kid as string } })
}

async function webhooks({ world, step, make, read, change, remove }: Tools): Promise<void> {
  const [made] = await make('createWebhook')
  const params = { webhook_id: idOf(made) }
  await read('listWebhooks')
  await read('readWebhook', params)
  await change('replaceWebhook', params, 'readWebhook')
  await change('updateWebhook', params, 'readWebhook')
  await make('rotateWebhookSecret', params)
  const test = await step('testWebhook', { params }, 202)
  await world.settled(idOf(made))
  await read('listWebhookDeliveries', params)
  await read('readWebhookDelivery', { ...params, delivery_id: idOf(test) })
  const { body } = await world.send('listEvents', { query: { limit: '1' } })
  const from = String(body.data[0].cursor ?? body.pagination?.next_cursor ?? '1')
  await step('replayWebhookDeliveries', { params, body: { from } }, 202)
  await remove('deleteWebhook', params, 'readWebhook')
}
