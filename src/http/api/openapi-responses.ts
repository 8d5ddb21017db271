/** What an operation may answer, as OpenAPI responses. */
import type { ProblemCatalogue } from '../problem.ts'
import { problemResponse, problemResponseName, problemsByStatus } from './openapi-problems.ts'
import type { Json, Schemas } from './openapi-schemas.ts'
import type { ListRules, Operation, ResponseRules } from './operation.ts'

export interface ResponseContext {
  schemas: Schemas
  catalogue: ProblemCatalogue
  typeBase: string
  /** `application/vnd.grantry.v1+json` */
  vendorType: string
  isDeprecated: boolean
  /** The URL of a path of the version. */
  urlOf: (path: string) => string
  /** Answers with problems, gathered as components. */
  responses: Map<string, Json>
}

const text = (description: string, example?: string): Json => ({
  description,
  schema: { type: 'string' },
  ...(example !== undefined && { example }),
})

/** Every header of an answer that the document knows, by its name in `components.headers`. */
export const sharedHeaders: Readonly<Record<string, Json>> = {
  'API-Version': text('The version that answered.', '1'),
  'X-Request-Id': text('The `trace_id` of the request.', '4bf92f3577b34da6a3ce929d0e0e4736'),
  'RateLimit-Policy': text('The quotas that hold here.', '"default";q=600;w=60'),
  RateLimit: text('What is left of them: `r` requests, and `t` seconds until there are more.', '"default";r=599;t=60'),
  ETag: text('Names this state: for `If-None-Match` and `If-Match`.', '"1"'),
  Location: text('The URL of what was made.'),
  Link: text('Related pages (RFC 8288): `next`, `prev`, `first`, `last`, `successor-version`.'),
  Deprecation: text('Since when this version is deprecated (RFC 9745).', '@1735689599'),
  Sunset: text('When this version ends (RFC 8594).', 'Wed, 31 Dec 2025 23:59:59 GMT'),
  'Idempotent-Replayed': text('`true`: the key was used before, and this is the answer that it got.', 'true'),
  'Retry-After': text('Seconds after which to try again.', '30'),
  'WWW-Authenticate': text('Which credentials are wanted, and what is wrong with those that came.'),
  'Accept-Patch': text('The media types that a change may have.'),
}

const headers = (...names: string[]): Json =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))

/** The headers of the problems that have their own. */
const PROBLEM_HEADERS: Readonly<Record<number, readonly string[]>> = {
  401: ['WWW-Authenticate'],
  403: ['WWW-Authenticate'],
  409: ['Retry-After'],
  412: ['ETag'],
  415: ['Accept-Patch'],
  429: ['Retry-After', 'RateLimit', 'RateLimit-Policy'],
}

/** Success, 304 where there is an ETag, and each status that a problem can have. */
export function responsesOf(operation: Operation, context: ResponseContext): Json {
  const problems = [...problemsByStatus(operation, context.catalogue)].map(([status, codes]) => [
    String(status),
    problemReference(status, codes, context),
  ])
  const successes = Object.entries(operation.responses).map(([status, rules]) => [
    status,
    successResponse(operation, Number(status), rules, context),
  ])
  const unchanged = { description: 'What the caller has is current.', headers: headers('ETag') }
  const hasTag = operation.method === 'GET' && hasJson(operation.responses[200])
  return Object.fromEntries([...successes, ...(hasTag ? [['304', unchanged]] : []), ...problems]) as Json
}

function hasJson(rules: ResponseRules | undefined): boolean {
  return rules?.schema !== undefined && rules.mediaType === undefined
}

function problemReference(status: number, codes: string[], context: ResponseContext): Json {
  const name = problemResponseName(codes)
  if (!context.responses.has(name)) {
    const response = problemResponse(codes, context.catalogue, context.typeBase)
    const own = PROBLEM_HEADERS[status]
    context.responses.set(name, own ? { ...response, headers: headers(...own) } : response)
  }
  return { $ref: `#/components/responses/${name}` }
}

function successResponse(operation: Operation, status: number, rules: ResponseRules, context: ResponseContext): Json {
  const content = contentOf(operation, rules, context)
  return {
    description: rules.description,
    headers: headers(...successHeaders(operation, status, rules, context)),
    ...(content && { content }),
  }
}

function successHeaders(
  { method, list, idempotent }: Operation,
  status: number,
  rules: ResponseRules,
  { isDeprecated, schemas }: ResponseContext,
): string[] {
  const names = ['API-Version', 'X-Request-Id', 'RateLimit-Policy', 'RateLimit']
  if (hasJson(rules) && (method === 'GET' || countsChanges(rules, schemas))) names.push('ETag')
  if (status === 201) names.push('Location')
  if (idempotent) names.push('Idempotent-Replayed')
  if (isDeprecated) names.push('Deprecation', 'Sunset')
  if (list || isDeprecated) names.push('Link')
  return names
}

/** What has a version has a strong tag, wherever it is told of. */
function countsChanges({ schema }: ResponseRules, schemas: Schemas): boolean {
  const { properties = {} } = schema ? (schemas.resolve(schemas.output(schema)) as { properties?: Json }) : {}
  return 'version' in properties
}

function contentOf(operation: Operation, rules: ResponseRules, context: ResponseContext): Json | undefined {
  const { list, id } = operation
  if (!rules.schema) return rules.mediaType ? { [rules.mediaType]: { schema: { type: 'string' } } } : undefined
  const item = context.schemas.output(rules.schema)
  const schema = list ? envelope(id, item, list, context.schemas) : item
  const value =
    list && rules.example !== undefined ? examplePage(operation, list, rules.example, context) : rules.example
  const media = { schema, ...(value !== undefined && { examples: { answer: { value } } }) }
  if (rules.mediaType) return { [rules.mediaType]: media }
  const csv = list?.csv && { schema: { type: 'string' }, examples: { header: { value: `${list.csv.join(',')}\r\n` } } }
  return {
    'application/json': media,
    [context.vendorType]: media,
    ...(csv && { 'text/csv': csv }),
    ...(rules.stream && { [rules.stream]: { schema: { type: 'string' } } }),
  }
}

/** The example of an item as the only one of a list. */
function examplePage({ path }: Operation, { paging }: ListRules, item: unknown, { urlOf }: ResponseContext): object {
  const pagination =
    paging[0] === 'cursor'
      ? { next_cursor: null, has_more: false, limit: 20 }
      : { page: 1, limit: 20, total_pages: 1, total_items: 1, has_next: false, has_prev: false }
  const self = urlOf(path.replaceAll(/[{}]/g, ''))
  return { data: [item], pagination, links: { self, first: self } }
}

const requested_limit: Json = { type: 'integer', description: 'What was asked for, when that was brought down.' }

const cursorPagination: Json = {
  type: 'object',
  required: ['next_cursor', 'has_more', 'limit'],
  properties: {
    next_cursor: { type: ['string', 'null'], description: 'For `cursor` of the next page; null on the last.' },
    has_more: { type: 'boolean' },
    limit: { type: 'integer', description: 'As it was applied.' },
    requested_limit,
    total_items: { type: ['integer', 'null'], description: 'With `include=total_count`.' },
  },
}

const offsetPagination: Json = {
  type: 'object',
  required: ['page', 'limit', 'total_pages', 'total_items', 'has_next', 'has_prev'],
  properties: {
    page: { type: 'integer', minimum: 1 },
    limit: { type: 'integer', description: 'As it was applied.' },
    total_pages: { type: 'integer', minimum: 0 },
    total_items: { type: 'integer', minimum: 0 },
    has_next: { type: 'boolean' },
    has_prev: { type: 'boolean' },
    requested_limit,
  },
}

const listLinks: Json = {
  type: 'object',
  description: 'Pages of this list.',
  required: ['self'],
  properties: Object.fromEntries(
    ['self', 'first', 'prev', 'next', 'last'].map((rel) => [rel, { type: 'string', format: 'uri' }]),
  ),
}

/** A page of a list, in the shape of each paging that it offers. */
function envelope(id: string, item: Json, { paging }: ListRules, schemas: Schemas): Json {
  const shapes = paging.map((kind) =>
    kind === 'cursor'
      ? schemas.named('CursorPagination', cursorPagination)
      : schemas.named('OffsetPagination', offsetPagination),
  )
  const [only] = shapes
  const name = typeof item.$ref === 'string' ? item.$ref.slice(item.$ref.lastIndexOf('/') + 1) : id
  return schemas.named(`${name}List`, {
    type: 'object',
    required: ['data', 'pagination', 'links'],
    properties: {
      data: { type: 'array', items: item },
      pagination: shapes.length === 1 ? only : { oneOf: shapes },
      links: schemas.named('ListLinks', listLinks),
    },
  })
}
