/**
 * What a request needed is forgotten with it. Whatever outlives its request until the next large collection makes that
 * collection due soon, and everybody waits meanwhile: it decides how late the latest answers are.
 */
import { GCProfiler, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Agent, request } from 'node:http'
import test from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import { buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, Visitor } from '../support/visitor.ts'

const REQUESTS = 1_000
/** With one closure on the request that V8 keeps in the old part of its heap it is 9,000 to 16,000. */
const MOST_BYTES = 4_000
const ends: (() => unknown)[] = []
const agent = new Agent({ keepAlive: true, maxSockets: 4 })
let server: TestServer
let service: TestClient

test.before(async () => {
  server = await startAuthServer(
    { teardown: (end) => void ends.unshift(end) },
    { RATE_LIMIT_TOKEN: 'sliding-window;q=1000000;w=60', MAX_IN_FLIGHT: '1000' },
  )
  await buildResource(server.db)
  service = await buildClient(server.db, { kind: 'service' })
})
test.after.always(async () => {
  agent.destroy()
  for (const end of ends) await end()
})

interface Answered {
  status: number
  body: Record<string, unknown>
}

function post(path: string, client: TestClient, parameters: Record<string, string>): Promise<Answered> {
  const body = new URLSearchParams(parameters).toString()
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': body.length,
    authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`,
  }
  return new Promise((resolve, reject) => {
    const asked = request(`${server.issuer}${path}`, { method: 'POST', headers, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> })
      })
    })
    asked.on('error', reject).end(body)
  })
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Four at a time. @returns bytes of each request that outlived two small collections */
async function outliving(ask: (index: number) => Promise<Answered>): Promise<number> {
  const profiler = new GCProfiler()
  profiler.start()
  let begun = 0
  const caller = async (index: number) => {
    for (; begun < REQUESTS; begun += 1) {
      // What is under way becomes old with it: whatever such a request leads to stays, if requests lead to later ones.
      if (begun === 100) collect()
      const { status, body } = await ask(index)
      if (status !== 200) throw new Error(JSON.stringify(body))
    }
  }
  await Promise.all([0, 1, 2, 3].map(caller))
  const { statistics } = profiler.stop()
  const small = statistics.filter(({ gcType }) => gcType === 'Scavenge')
  const old = ({ heapSpaceStatistics }: (typeof small)[number]['beforeGC']) =>
    heapSpaceStatistics.find(({ spaceName }) => spaceName === 'old_space')?.spaceUsedSize ?? 0
  const promoted = small.map(({ beforeGC, afterGC }) => old(afterGC) - old(beforeGC))
  return promoted.reduce((sum, bytes) => sum + bytes, 0) / REQUESTS
}

test.serial('a token by client credentials leaves nothing behind', async (t) => {
  const ask = () => post('/token', service, { grant_type: 'client_credentials', scope: 'orders:read' })
  await outliving(ask)
  const bytes = await outliving(ask)
  t.log(`${bytes.toFixed(0)} bytes`)
  t.true(bytes < MOST_BYTES)
})

test.serial('a rotation of a refresh token leaves nothing behind', async (t) => {
  const client = await buildClient(server.db, { firstParty: true })
  const tokens = await Promise.all(
    [0, 1, 2, 3].map(async () => {
      const answer = await new Visitor(server.issuer).authorize(client, await buildUser(server.db), { scope: 'openid' })
      return String((await redeem(server.issuer, client, answer)).body.refresh_token)
    }),
  )
  const ask = async (index: number) => {
    const answer = await post('/token', client, { grant_type: 'refresh_token', refresh_token: tokens[index]! })
    tokens[index] = String(answer.body.refresh_token)
    return answer
  }
  await outliving(ask)
  const bytes = await outliving(ask)
  t.log(`${bytes.toFixed(0)} bytes`)
  t.true(bytes < MOST_BYTES)
})

test.serial('introspection of a JWT leaves nothing behind', async (t) => {
  const issued = await post('/token', service, { grant_type: 'client_credentials', scope: 'orders:read' })
  const ask = () => post('/introspect', service, { token: String(issued.body.access_token) })
  await outliving(ask)
  const bytes = await outliving(ask)
  t.log(`${bytes.toFixed(0)} bytes`)
  t.true(bytes < MOST_BYTES)
})
