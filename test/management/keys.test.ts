/** What the management API promises of signing keys. */
import anyTest, { type TestFn } from 'ava'
import { callerWithKey, problemOf, refusesWhatIsWrong, tellsMethods, type ApiCaller } from '../support/api-caller.ts'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'

interface Parts {
  server: TestServer
  admin: ApiCaller
}

interface Key {
  kid: string
  alg: string
  state: string
  links: Record<string, { href: string; method?: string }>
}

const test = anyTest as TestFn<Parts>
const ends: (() => unknown)[] = []
let parts: Parts

test.before(async () => {
  const server = await startAuthServer({ teardown: (end) => void ends.unshift(end) })
  parts = { server, admin: await callerWithKey(server) }
})
test.beforeEach((t) => {
  t.context = parts
})
test.after.always(async () => {
  for (const end of ends) await end()
})

async function keys({ admin }: Parts, query = ''): Promise<Key[]> {
  return (await admin.get(`/keys?limit=100${query}`)).body.data
}

async function published({ server }: Parts): Promise<string[]> {
  const { keys: found } = (await (await fetch(`${server.issuer}/jwks`)).json()) as { keys: { kid: string }[] }
  return found.map(({ kid }) => kid).toSorted()
}

/** As if the next keys had been published long ago. */
async function age({ server: { db } }: Parts): Promise<void> {
  await db.knex('signing_keys').update({ published_at: db.knex.raw(`published_at - interval '2 hours'`) })
}

test.serial('keys are listed and read as they are published, without a private part', async (t) => {
  const { admin } = t.context
  const all = await keys(t.context)
  t.is(all.length, 6)
  t.deepEqual(all.map(({ kid }) => kid).toSorted(), await published(t.context))
  for (const part of ['"d"', '"p"', '"q"', '"dp"', '"dq"', '"qi"', 'sealed']) {
    t.false(JSON.stringify(all).includes(part), part)
  }
  for (const key of all) t.deepEqual((await admin.get(`/keys/${key.kid}`)).body, key)
  t.deepEqual((await keys(t.context, '&alg=ES256')).map(({ state }) => state).toSorted(), ['current', 'next'])
  t.is((await keys(t.context, '&state=next&sort=alg')).map(({ alg }) => alg).join(), 'ES256,Ed25519,RS256')
  t.is((await keys(t.context, '&state=next&sort=-alg')).map(({ alg }) => alg).join(), 'RS256,Ed25519,ES256')

  const seen: string[] = []
  for (let cursor = ''; ;) {
    const { body } = await admin.get(`/keys?limit=4${cursor}`)
    seen.push(...body.data.map(({ kid }: Key) => kid))
    if (!body.pagination.has_more) break
    cursor = `&cursor=${body.pagination.next_cursor}`
  }
  t.deepEqual(seen.toSorted(), all.map(({ kid }) => kid).toSorted())
  const second = await admin.get('/keys?page=2&limit=4')
  t.deepEqual([second.body.data.length, second.body.pagination.total_items], [2, 6])
  t.regex((await admin.get('/keys', { accept: 'text/csv' })).body, /^kid,alg,state,/)
})

test.serial('a rotation waits until the next key was published for long enough, and then is made once', async (t) => {
  const { admin } = t.context
  const early = await admin.send('POST', '/keys/rotations', { body: { alg: 'ES256' } })
  t.is(`${early.status} ${problemOf(early)}`, '409 next-key-too-young')
  t.true(Number(early.headers.get('retry-after')) > 0)
  await age(t.context)
  const [next] = await keys(t.context, '&alg=ES256&state=next')
  t.is(next?.links.rotate?.method, 'POST')
  const replies = await Promise.all([1, 2].map(() => admin.send('POST', '/keys/rotations', { body: { alg: 'ES256' } })))
  t.deepEqual(replies.map(({ status }) => status).toSorted(), [200, 409])
  const [rotation] = replies.find(({ status }) => status === 200)!.body.rotations as Record<string, unknown>[]
  t.like(rotation, { alg: 'ES256', rotated: true, kid: next?.kid, possible_at: null })
  t.deepEqual((await keys(t.context, '&alg=ES256')).map(({ state }) => state).toSorted(), [
    'current',
    'next',
    'previous',
  ])
  t.deepEqual((await keys(t.context)).map(({ kid }) => kid).toSorted(), await published(t.context))

  const rest = await admin.send('POST', '/keys/rotations')
  t.is(rest.status, 200, 'without a body all of them, and those that can')
  t.deepEqual(
    rest.body.rotations.map(({ alg, rotated }: Record<string, unknown>) => [alg, rotated]).toSorted(),
    [['ES256', false], ['Ed25519', true], ['RS256', true]], // prettier-ignore
  )
})

test.serial('a key is taken out of use at once, with a word on what breaks, and it is kept who did it', async (t) => {
  const { admin, server } = t.context
  const [current] = await keys(t.context, '&alg=RS256&state=current')
  const path = `/keys/${current?.kid}`
  const replies = await Promise.all([1, 2].map(() => admin.send('DELETE', path)))
  t.deepEqual(replies.map(({ status }) => status).toSorted(), [200, 404])
  const revoked = replies.find(({ status }) => status === 200)!
  t.like(revoked.body, { kid: current?.kid, alg: 'RS256', state: 'current' })
  t.true(revoked.body.consequences.length > 1)
  t.false((await published(t.context)).includes(current!.kid))
  t.is((await keys(t.context, '&alg=RS256&state=current'))[0]?.kid, revoked.body.signer)
  t.is((await admin.get(path)).status, 404)
  const [event] = await server.db.knex('events').where({ type: 'key.revoked' })
  t.like(event, { subject: current?.kid, actor: admin.keyId })
  const [entry] = await server.db.knex('audit_log').where({ action: 'key.revoke' })
  const trace_id = revoked.headers.get('x-request-id')
  t.like(entry, { subject_id: current?.kid, actor: admin.keyId, channel: 'api', trace_id })
  t.regex(entry.address, /^(127\.0\.0\.1|::1)$/)
})

test.serial('every operation refuses what is wrong, as a problem', async (t) => {
  const { admin, server } = t.context
  const before = await keys(t.context)
  const path = `/keys/${before[0]?.kid}`
  const missing = '/keys/nobody'
  const unknown = await admin.send('POST', '/keys/rotations', { body: { alg: 'HS256' } })
  t.deepEqual([unknown.status, unknown.body.errors[0].pointer], [400, '#/alg'])
  await refusesWhatIsWrong(t, server, [
    { method: 'GET', path: '/keys', scope: 'keys:read' },
    { method: 'GET', path, missing, scope: 'keys:read' },
    { method: 'POST', path: '/keys/rotations', body: {}, scope: 'keys:write' },
    { method: 'DELETE', path, missing, scope: 'keys:write' },
  ])
  t.deepEqual(await keys(t.context), before, 'nothing came of it')
  const reader = await callerWithKey(server, ['keys:read'])
  t.deepEqual(Object.keys((await reader.get(path)).body.links), ['self', 'jwks'])
  await tellsMethods(t, server, {
    '/keys': 'GET, HEAD, OPTIONS',
    '/keys/rotations': 'POST, OPTIONS',
    [path]: 'GET, HEAD, DELETE, OPTIONS',
  })
})
