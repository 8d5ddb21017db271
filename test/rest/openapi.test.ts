/** What the OpenAPI document says, held against the declarations that it is made of. */
import test from 'ava'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { z } from 'zod'
import { openApiDocument, type OpenApiDocument } from '../../src/http/api/openapi.ts'
import { collectSchemas } from '../../src/http/api/openapi-schemas.ts'
import { bookshop, newBook } from './bookshop.ts'

const ORIGIN = 'https://books.test'
const document = openApiDocument(bookshop(ORIGIN))

type Plain = Record<string, any>

const at = (path: string, method: string): Plain => document.paths[path]?.[method] as unknown as Plain
const follow = (value: Plain): Plain => {
  const [, kind = '', name = ''] = /^#\/components\/(\w+)\/(.+)$/.exec(value.$ref ?? '') ?? []
  return value.$ref ? (document.components[kind]?.[name] ?? {}) : value
}
const parameters = (operation: Plain) =>
  Object.fromEntries((operation.parameters as Plain[]).map(follow).map((parameter) => [parameter.name, parameter]))

test('an operation stands under its version; those of another version than the default say so in their id', (t) => {
  t.deepEqual(Object.keys(document.paths), ['/v2/books', '/v2/books/{book_id}', '/v2/shop', '/v1/books'])
  t.is(at('/v2/books', 'get').operationId, 'listBooks')
  t.is(at('/v1/books', 'get').operationId, 'listBooksV1')
  t.is(at('/v1/books', 'get').deprecated, true)
  t.deepEqual(document.servers, [{ url: `${ORIGIN}/api` }])
  t.deepEqual(
    document.tags.map(({ name }) => name),
    ['Books', 'Shop'],
  )
})

test('a list has its filters, its pages, its order and its fields as parameters', (t) => {
  const found = parameters(at('/v2/books', 'get'))
  t.is(
    Object.keys(found).join(' '),
    'kind created_at[gte] limit cursor page include sort fields version If-None-Match API-Version',
  )
  t.deepEqual(found.kind.schema.enum, ['novel', 'essay'])
  t.deepEqual(found.sort.schema, {
    type: 'string',
    enum: ['created_at', '-created_at', 'title', '-title'],
    default: '-created_at',
  })
  t.true(found.fields.schema.items.enum.includes('author'))
})

test('a strict body refuses what it does not know, and a default may be left out', (t) => {
  const body = at('/v2/books', 'post').requestBody.content['application/json']
  const ajv = new Ajv2020({ strict: false })
  ajv.addSchema({ ...document, $id: 'https://books.test/openapi' }, 'document')
  const validate = ajv.compile({ $ref: `document${body.schema.$ref}` })
  t.true(validate(body.examples.short.value))
  t.false(validate({ title: 'Emma', isbn: '1' }))
  t.false(validate({ pages: 3 }))
})

test('the same name for what is sent and what comes back is two schemas when they differ', (t) => {
  const schemas = collectSchemas()
  t.deepEqual(schemas.output(newBook), { $ref: '#/components/schemas/NewBook' })
  t.deepEqual(schemas.input(newBook), { $ref: '#/components/schemas/NewBookInput' })
  const { NewBook, NewBookInput, AuthorInput } = schemas.components() as Plain
  t.deepEqual([NewBook.required, NewBookInput.required], [['title', 'pages'], ['title']])
  t.is(NewBookInput.properties.author.$ref, '#/components/schemas/AuthorInput')
  t.is(AuthorInput.additionalProperties, undefined)
  t.deepEqual(schemas.output(z.array(newBook)), { type: 'array', items: { $ref: '#/components/schemas/NewBook' } })
})

test('a list answers in an envelope with both ways of paging, as JSON, the vendor’s type and CSV', (t) => {
  const { content } = at('/v2/books', 'get').responses[200]
  t.deepEqual(Object.keys(content), ['application/json', 'application/vnd.bookshop.v2+json', 'text/csv'])
  const list = follow(content['application/json'].schema)
  t.deepEqual(list.properties.data, { type: 'array', items: { $ref: '#/components/schemas/Book' } })
  t.is(list.properties.pagination.oneOf.length, 2)
})

test('the problems that a declaration implies stand by their status', (t) => {
  const statuses = (path: string, method: string) => Object.keys(at(path, method).responses).join(' ')
  t.is(statuses('/v2/books', 'get'), '200 304 400 401 403 406 429 500 503')
  t.is(statuses('/v2/books', 'post'), '201 400 401 403 406 409 413 415 422 429 500 503')
  t.is(statuses('/v2/books/{book_id}', 'get'), '200 304 400 404 406 429 500 503')
  t.is(statuses('/v2/books/{book_id}', 'patch'), '200 400 401 403 404 406 412 413 415 428 429 500 503')
  t.is(statuses('/v2/shop', 'get'), '200 304 400 401 406 429 500 503')
  t.is(statuses('/v2/books/{book_id}', 'delete'), '204 400 401 403 404 412 428 429 500 503')
  const { examples } = follow(at('/v2/books', 'post').responses[409]).content['application/problem+json']
  t.deepEqual(Object.keys(examples), ['conflict', 'idempotency-key-in-flight'])
})

test('each way to authenticate will do, with the scope; what is public needs none', (t) => {
  t.deepEqual(at('/v2/books', 'get').security, [
    { oauth: ['books:read'] },
    { api_key_bearer: ['books:read'] },
    { api_key_header: ['books:read'] },
  ])
  t.deepEqual(at('/v2/books/{book_id}', 'get').security, [])
  t.deepEqual(at('/v2/shop', 'get').security[0], { oauth: [] })
})

test('what nothing refers to is left out, and every reference leads somewhere', (t) => {
  const text = JSON.stringify(document)
  const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, to = '']) => to)
  t.true(references.length > 50)
  for (const to of references) t.not(Object.keys(follow({ $ref: to })).length, 0, to)
  for (const [kind, entries] of Object.entries(document.components)) {
    if (kind === 'securitySchemes') continue
    for (const name of Object.keys(entries)) t.true(references.includes(`#/components/${kind}/${name}`), name)
  }
})

test('the document is the same each time, and passes on what the API sends by itself', (t) => {
  const again: OpenApiDocument = openApiDocument({ ...bookshop(ORIGIN), webhooks: { 'book.sold': { post: {} } } })
  t.deepEqual({ ...again, webhooks: undefined }, { ...document, webhooks: undefined })
  t.deepEqual(again.webhooks, { 'book.sold': { post: {} } })
})
