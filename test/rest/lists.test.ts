import test from 'ava'
import { createCursors, selectionDigest, type CursorScope } from '../../src/http/api/cursor.ts'
import { fileScope } from '../support/demo.ts'
import { fc } from '../support/property.ts'
import { problemOf, startNotes, type NotesServer } from './notes.ts'

const scope = fileScope()
let notes: NotesServer
let now = Date.parse('2026-11-22T12:00:00Z')

interface Page {
  data: Record<string, unknown>[]
  pagination: Record<string, unknown>
  links: Record<string, string>
}

/** 25 red notes `red-00` … and 5 without a colour, which nothing changes but the tests that say so. */
test.before(async () => {
  notes = await startNotes(scope, { now: () => now })
  await notes.write(Array.from({ length: 25 }, (_, index) => `red-${String(index).padStart(2, '0')}`), 'red') // prettier-ignore
  await notes.write(Array.from({ length: 5 }, (_, index) => `plain-${index}`))
})
test.after.always(() => scope.end())

async function page(path: string): Promise<Page> {
  const response = await notes.call(path.replace(notes.url, ''))
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Page
}

async function walk(path: string): Promise<string[]> {
  const titles: string[] = []
  for (let next: string | undefined = path; next;) {
    const { data, links }: Page = await page(next)
    titles.push(...data.map(({ title }) => String(title)))
    next = links.next
  }
  return titles
}

async function wrong(query: string) {
  const { code, errors = [] } = await problemOf(await notes.call(`/api/v1/notes?${query}`))
  return [code, ...errors.map(({ parameter }) => parameter)]
}

test.serial('a list answers the first page by cursor, in the shape of the specification', async (t) => {
  const response = await notes.call('/api/v1/notes?color=red')
  const { data, pagination, links } = (await response.json()) as Page
  t.is(data.length, 20)
  t.deepEqual(Object.keys(pagination), ['next_cursor', 'has_more', 'limit'])
  t.like(pagination, { has_more: true, limit: 20 })
  t.regex(String(pagination.next_cursor), /^[\w-]+$/)
  t.deepEqual(links, {
    self: `${notes.url}/api/v1/notes?color=red`,
    first: `${notes.url}/api/v1/notes?color=red`,
    next: `${notes.url}/api/v1/notes?color=red&cursor=${pagination.next_cursor as string}`,
  })
  t.is(response.headers.get('link'), `<${links.self}>; rel="self", <${links.first}>; rel="first", <${links.next}>; rel="next"`) // prettier-ignore
})

test.serial('the last page says that it is the last', async (t) => {
  const { pagination, links } = await page('/api/v1/notes?color=red&limit=25')
  t.deepEqual(pagination, { next_cursor: null, has_more: false, limit: 25 })
  t.is(links.next, undefined)
})

test.serial(
  'following the cursor shows each thing once, in order, both ways, ties and missing values included',
  async (t) => {
    const titles = (await page('/api/v1/notes?limit=100')).data.map(({ title }) => String(title)).sort()
    t.deepEqual(await walk('/api/v1/notes?limit=7&sort=title'), titles)
    t.deepEqual(await walk('/api/v1/notes?limit=7&sort=-title'), titles.toReversed())
    for (const sort of ['created_at', '-created_at', 'color', '-color']) {
      t.deepEqual((await walk(`/api/v1/notes?limit=4&sort=${sort}`)).sort(), titles, sort)
    }
  },
)

test.serial('what is written meanwhile neither repeats nor hides anything by cursor', async (t) => {
  const first = await page('/api/v1/notes?color=green&limit=2&sort=title')
  t.is(first.data.length, 0)
  await notes.write(['b', 'd', 'f', 'h'], 'green')
  const one = await page('/api/v1/notes?color=green&limit=2&sort=title')
  await notes.write(['a', 'c'], 'green')
  await notes.db.knex('notes').where({ title: 'd' }).delete()
  const two = await page(one.links.next!)
  t.deepEqual([...one.data, ...two.data].map(({ title }) => title), ['b', 'd', 'f', 'h']) // prettier-ignore
  await notes.db.knex('notes').where({ color: 'green' }).delete()
})

test.serial('include=total_count counts', async (t) => {
  t.is((await page('/api/v1/notes?color=red&limit=2&include=total_count')).pagination.total_items, 25)
  t.false('total_items' in (await page('/api/v1/notes?limit=2')).pagination)
  t.deepEqual(await wrong('include=everything'), ['invalid-request', 'include'])
})

test.serial('pages by number have the shape of the specification', async (t) => {
  const url = (n: number) => `${notes.url}/api/v1/notes?color=red&limit=10&page=${n}`
  const { data, pagination, links } = await page(url(2))
  t.is(data.length, 10)
  t.deepEqual(pagination, { page: 2, limit: 10, total_pages: 3, total_items: 25, has_next: true, has_prev: true })
  t.deepEqual(links, { self: url(2), first: url(1), prev: url(1), next: url(3), last: url(3) })
  const last = await page(url(3))
  t.is(last.data.length, 5)
  t.deepEqual(Object.keys(last.links), ['self', 'first', 'prev', 'last'])
  t.like(last.pagination, { has_next: false, has_prev: true })
  const beyond = await page(url(9))
  t.deepEqual([beyond.data.length, beyond.links.prev, beyond.pagination.has_next], [0, url(3), false])
  const none = await page('/api/v1/notes?color=green&page=1')
  t.like(none.pagination, { total_pages: 0, total_items: 0, has_next: false, has_prev: false })
})

test.serial('a page by number lies no deeper than 10,000, and does not go with a cursor', async (t) => {
  t.is((await notes.call('/api/v1/notes?page=100&limit=100')).status, 200)
  t.deepEqual(await wrong('page=101&limit=100'), ['invalid-request', 'page'])
  t.deepEqual(await wrong('page=1&cursor='), ['invalid-request', 'cursor'])
})

test.serial('a limit beyond the most is brought down, and the answer says so; others are refused', async (t) => {
  t.like((await page('/api/v1/notes?limit=5000')).pagination, { limit: 100, requested_limit: 5000 })
  t.like((await page(`/api/v1/notes?limit=${'9'.repeat(400)}`)).pagination, { limit: 100 })
  t.false('requested_limit' in (await page('/api/v1/notes?limit=100')).pagination)
  for (const limit of ['0', '-1', '1.5', 'ten', '', '1e2', ' 5']) {
    t.deepEqual(await wrong(`limit=${limit}`), ['invalid-request', 'limit'], limit)
  }
  for (const number of ['0', '-1', 'x', '']) t.deepEqual(await wrong(`page=${number}`), ['invalid-request', 'page'])
})

test.serial('an order that the list does not offer is refused', async (t) => {
  for (const sort of ['id', 'password', 'title,color', '--title', '+title', '']) {
    t.deepEqual(await wrong(`sort=${encodeURIComponent(sort)}`), ['invalid-request', 'sort'], sort)
  }
})

test.serial('a cursor is good for its filters and order only, whatever the size of the page', async (t) => {
  const cursor = String((await page('/api/v1/notes?color=red&limit=3&sort=title')).pagination.next_cursor)
  t.is((await page(`/api/v1/notes?cursor=${cursor}&sort=title&limit=50&color=red&fields=title`)).data.length, 22)
  for (const query of ['color=red', 'sort=title', 'color=red&sort=-title', 'color=green&sort=title']) {
    t.deepEqual(await wrong(`${query}&cursor=${cursor}`), ['cursor-mismatch', 'cursor'], query)
  }
})

test.serial('a cursor that is made up or too old does not count', async (t) => {
  const cursor = String((await page('/api/v1/notes?limit=3')).pagination.next_cursor)
  for (const made of ['x', 'null', `${cursor}A`, cursor.slice(1), Buffer.from('{"id":1}').toString('base64url')]) {
    t.deepEqual(await wrong(`cursor=${made}`), ['cursor-invalid', 'cursor'])
  }
  now += 3 * 24 * 3600 * 1000
  t.is((await notes.call(`/api/v1/notes?cursor=${cursor}`)).status, 200)
  now += 1
  t.deepEqual(await wrong(`cursor=${cursor}`), ['cursor-invalid', 'cursor'])
})

test.serial('fields leaves out the rest, in lists and in single things; id and links stay', async (t) => {
  const { data } = await page('/api/v1/notes?limit=1&fields=title,color')
  t.deepEqual(Object.keys(data[0]!), ['id', 'title', 'color', 'links'])
  const one = await page(`/api/v1/notes/${data[0]!.id as string}?fields=tags`)
  t.deepEqual(Object.keys(one), ['id', 'tags', 'links'])
  for (const fields of ['secret', 'title,', '', 'title,__proto__', 'constructor']) {
    t.deepEqual(await wrong(`fields=${fields}`), ['invalid-request', 'fields'], fields)
  }
})

test.serial('an unknown, repeated or malformed parameter is named', async (t) => {
  t.deepEqual(await wrong('colour=red&limit=x&size=2'), ['invalid-request', 'colour', 'size', 'limit'])
  t.deepEqual(await wrong('color=red&color=green'), ['invalid-request', 'color'])
  t.deepEqual(await wrong('color=blue'), ['invalid-request', 'color'])
  t.deepEqual(await wrong('color=%ff'), ['invalid-request', 'color'])
  t.deepEqual(await wrong('__proto__=1'), ['invalid-request', '__proto__'])
  const single = await problemOf(await notes.call('/api/v1/notes/x?limit=1'))
  t.is(single.errors?.[0]?.parameter, 'limit')
})

test.serial('a list as CSV has a header row, its paging in Link, and no formula', async (t) => {
  await notes.write(['=1+1', '+1', '-1', '@a', '\tx', '＝1', 'a "quoted", word', 'two\nlines'], 'green')
  await notes.db
    .knex('notes')
    .where({ title: '=1+1' })
    .update({ tags: ['a', 'b'], version: 7 })
  const response = await notes.call('/api/v1/notes?color=green&fields=title,tags,version', { headers: { accept: 'text/csv' } }) // prettier-ignore
  t.is(response.headers.get('content-type'), 'text/csv; charset=utf-8; header=present')
  const text = await response.text()
  t.is(text.split('\r\n')[0], 'id,title,tags,version')
  const rows = text.split('\r\n').slice(1).map((row) => row.replace(/^[^,]+,/, '')) // prettier-ignore
  const expected = ["'=1+1,a b,7", "'+1,,1", "'-1,,1", "'@a,,1", "'\tx,,1", "'＝1,,1", '"a ""quoted"", word",,1', '"two\nlines",,1', ''] // prettier-ignore
  t.deepEqual(rows, expected)
  const short = await notes.call('/api/v1/notes?color=green&limit=1', { headers: { accept: 'text/csv' } })
  t.regex(short.headers.get('link') ?? '', /cursor=[\w-]+>; rel="next"/)
  await notes.db.knex('notes').where({ color: 'green' }).delete()
})

const listScope: CursorScope = {
  operation: 'listNotes',
  version: 1,
  sort: '-created_at',
  selection: selectionDigest('/', []),
}
const [old, current] = [Buffer.from('the old secret'), Buffer.from('the current secret')]
const cursors = createCursors([current, old])

const positions = fc.record({ value: fc.option(fc.string({ unit: 'binary' })), id: fc.string({ unit: 'binary' }) })

test('whatever a page ended with comes back out of its cursor', (t) => {
  fc.assert(
    fc.property(positions, (position) => {
      t.deepEqual(cursors.decode(cursors.encode(listScope, position), listScope), position)
    }),
    { numRuns: 100 },
  )
})

test('a cursor with any character changed, added or lost does not count', (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= '
  const change = fc.tuple(fc.nat(), fc.constantFrom(...alphabet.split('')), fc.constantFrom(0, 1), fc.boolean())
  fc.assert(
    fc.property(positions, change, (position, [place, character, replaced, drops]) => {
      const cursor = cursors.encode(listScope, position)
      const at = place % cursor.length
      const changed = cursor.slice(0, at) + (drops ? '' : character) + cursor.slice(at + (drops ? 1 : replaced))
      if (changed !== cursor) t.is(cursors.decode(changed, listScope), 'invalid')
    }),
    { numRuns: 500 },
  )
})

test('secrets turn over: the former still verifies, a stranger does not', (t) => {
  const position = { value: '1', id: 'a' }
  t.deepEqual(cursors.decode(createCursors([old]).encode(listScope, position), listScope), position)
  t.is(createCursors([old]).decode(cursors.encode(listScope, position), listScope), 'invalid')
})

test('a cursor of another list or version does not count; of another selection it does not fit', (t) => {
  const cursor = cursors.encode(listScope, { value: '1', id: 'a' })
  t.is(cursors.decode(cursor, { ...listScope, operation: 'listOthers' }), 'invalid')
  t.is(cursors.decode(cursor, { ...listScope, version: 2 }), 'invalid')
  t.is(cursors.decode(cursor, { ...listScope, sort: 'created_at' }), 'mismatch')
  t.is(cursors.decode(cursor, { ...listScope, selection: selectionDigest('/', [['a', '1']]) }), 'mismatch')
})

test('the order of filters makes no other selection, their names and values do', (t) => {
  const both = selectionDigest('/', [['a', '1'], ['b', '2']]) // prettier-ignore
  t.is(selectionDigest('/', [['b', '2'], ['a', '1']]), both) // prettier-ignore
  t.not(selectionDigest('/', [['a', '1,b'], ['2', '']]), both) // prettier-ignore
  t.not(selectionDigest('/x', [['a', '1'], ['b', '2']]), both) // prettier-ignore
})
