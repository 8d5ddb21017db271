import test from 'ava'
import { randomUUID } from 'node:crypto'
import { fileScope } from '../support/demo.ts'
import { problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
let notes: NotesServer

test.before(async () => {
  notes = await startNotes(scope)
})
test.after.always(() => scope.end())

function post(path: string, body: string, key: string | undefined, { as = 'ada', headers = {} } = {}) {
  const sent = { 'content-type': 'application/json', ...(key !== undefined && { 'idempotency-key': key }), ...headers }
  return notes.call(path, { method: 'POST', body, as, headers: sent })
}

const create = (title: string, key?: string, options?: Parameters<typeof post>[3]) =>
  post('/api/v1/notes', JSON.stringify({ title }), key, options)

test.serial('the same request with the same key is carried out once, and its answer is given again', async (t) => {
  const key = randomUUID()
  const before = { ...notes.spy }
  const first = await create('once', key)
  const again = await create('once', key)
  t.deepEqual([first.status, again.status], [201, 201])
  t.is(first.headers.get('idempotent-replayed'), null)
  t.is(again.headers.get('idempotent-replayed'), 'true')
  t.is(await again.text(), await first.text())
  for (const name of ['location', 'etag', 'content-type', 'content-location', 'api-version']) {
    t.truthy(first.headers.get(name), name)
    t.is(again.headers.get(name), first.headers.get(name), name)
  }
  t.deepEqual(notes.spy, { prepared: before.prepared + 1, handled: before.handled + 1 })
})

test.serial('the order of members, spaces, quotes around the key make no difference', async (t) => {
  const key = randomUUID()
  const first = await post('/api/v1/notes', '{"title":"same","tags":["a"]}', key)
  const again = await post('/api/v1/notes', ' { "tags" : [ "a" ], "title" : "s\\u0061me" } ', `"${key}"`)
  t.is(again.headers.get('idempotent-replayed'), 'true')
  t.is(await again.text(), await first.text())
})

test.serial('without a key everything happens each time', async (t) => {
  const [first, again] = [await create('twice'), await create('twice')]
  t.not(first.headers.get('location'), again.headers.get('location'))
})

test.serial('a key that was used for another request is 422', async (t) => {
  const key = randomUUID()
  await create('mine', key)
  t.is((await problemOf(await create('other', key))).code, 'idempotency-key-reused')
})

test.serial('a key belongs to its caller and its operation', async (t) => {
  const key = randomUUID()
  const mine = await create('shared', key)
  const theirs = await create('shared', key, { as: 'bob' })
  t.is(theirs.headers.get('idempotent-replayed'), null)
  t.not(theirs.headers.get('location'), mine.headers.get('location'))
  const id = mine.headers.get('location')!.split('/').at(-1)
  t.is((await post(`/api/v1/notes/${id}/shares`, '', key)).headers.get('idempotent-replayed'), null)
})

test.serial('many at once make one thing; who comes too early is told to wait', async (t) => {
  const key = randomUUID()
  const answers = await Promise.all(Array.from({ length: 10 }, () => create(`race ${key}`, key)))
  const made = new Set(answers.map((answer) => answer.headers.get('location')).filter((location) => location !== null))
  t.is(made.size, 1)
  for (const answer of answers.filter(({ status }) => status !== 201)) {
    t.is(answer.headers.get('retry-after'), '1')
    t.is((await problemOf(answer)).code, 'idempotency-key-in-flight')
  }
  t.is(Number((await notes.db.knex('notes').where({ title: `race ${key}` }).count())[0]!.count), 1) // prettier-ignore
})

test.serial('what was refused or failed is not kept: the request may be mended', async (t) => {
  for (const title of ['', 'full', 'bug']) {
    const key = randomUUID()
    const refused = await create(title, key)
    t.true([400, 409, 500].includes(refused.status), `${refused.status}`)
    t.is((await create('mended', key)).status, 201)
  }
})

test.serial('a secret is shown once: the repetition comes without it and says so', async (t) => {
  const [id] = await notes.write(['shared'])
  const key = randomUUID()
  const first = await post(`/api/v1/notes/${id}/shares`, '', key)
  const { secret } = (await first.json()) as { secret: string }
  t.is(first.headers.get('cache-control'), 'no-store')
  const again = await post(`/api/v1/notes/${id}/shares`, '', key)
  t.is(again.headers.get('cache-control'), 'no-store')
  t.deepEqual(await again.json(), { id, secrets_omitted: true })
  const kept = JSON.stringify(await notes.db.knex('idempotency_keys').select('body', 'headers'))
  t.false(kept.includes(secret))
})

test.serial('a malformed key is 400; where keys have no meaning they are passed over', async (t) => {
  for (const key of ['"unclosed', '""', 'two words', '"two", "keys"', 'x'.repeat(256), '"ü"', '(list)x y']) {
    const { code, errors } = await problemOf(await create('never', Buffer.from(key).toString('latin1')))
    t.is(code, 'idempotency-key-invalid', key)
    t.is(errors?.[0]?.header, 'Idempotency-Key')
  }
  t.is((await notes.call('/api/v1/notes', { headers: { 'idempotency-key': '"unclosed' } })).status, 200)
})
