/** What may stand in a request beside its body, as OpenAPI parameters. */
import type { z } from 'zod'
import type { Json, Schemas } from './openapi-schemas.ts'
import type { ListRules, Operation } from './operation.ts'

const reference = (name: string): Json => ({ $ref: `#/components/parameters/${name}` })

/** Those that are the same wherever they stand. */
export const sharedParameters: Readonly<Record<string, Json>> = {
  Cursor: {
    name: 'cursor',
    in: 'query',
    description: 'Where to go on: `next_cursor` of the page before. It is good for the same filters and order only.',
    schema: { type: 'string', maxLength: 2048 },
  },
  Page: {
    name: 'page',
    in: 'query',
    description:
      'The number of the page, from 1; `page` × `limit` is 10,000 at most, a cursor goes as deep as you like.',
    schema: { type: 'integer', minimum: 1, default: 1 },
  },
  TotalCount: {
    name: 'include',
    in: 'query',
    description: '`total_count` adds how many there are in all.',
    schema: { type: 'string', enum: ['total_count'] },
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: true,
    description: 'The ETag of what is to be changed, as it was last read: nobody else’s change is lost. `*` takes any.',
    schema: { type: 'string' },
    example: '"1"',
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'The ETag of what the caller has. If it is still current, the answer is 304.',
    schema: { type: 'string' },
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description:
      'Any text that is new for each thing to be made, such as a UUID. The same request with the same key is carried out once, however often it is sent.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    example: '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
  },
  Version: {
    name: 'version',
    in: 'query',
    description: 'The version of the API. The path names it already; if both do, they must agree.',
    schema: { type: 'integer' },
  },
  ApiVersion: {
    name: 'API-Version',
    in: 'header',
    description: 'The same as `version`.',
    schema: { type: 'string' },
  },
}

/** Path, query and headers of one operation, in this order. */
export function parametersOf(operation: Operation, schemas: Schemas): Json[] {
  return [
    ...pathParameters(operation, schemas),
    ...queryParameters(operation, schemas),
    ...(operation.list
      ? listParameters(operation.list, itemFields(operation, schemas))
      : singleParameters(operation, schemas)),
    reference('Version'),
    ...headerParameters(operation),
  ]
}

/** `{user_id}` → `user_id` */
export function pathNames(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
}

function pathParameters({ path, params }: Operation, schemas: Schemas): Json[] {
  const known = params ? propertiesOf(params, schemas).properties : {}
  return pathNames(path).map((name) => {
    const { description, examples, ...schema } = known[name] ?? { type: 'string' }
    return {
      name,
      in: 'path',
      required: true,
      description: description ?? describeId(name),
      schema,
      ...(Array.isArray(examples) && { example: examples[0] as unknown }),
    }
  })
}

/** `user_id` → `The id of the user.` */
function describeId(name: string): string {
  return name.endsWith('_id')
    ? `The id of the ${name.slice(0, -3).replaceAll('_', ' ')}.`
    : `The ${name.replaceAll('_', ' ')}.`
}

function queryParameters({ query }: Operation, schemas: Schemas): Json[] {
  if (!query) return []
  const { properties, required } = propertiesOf(query, schemas)
  return Object.entries(properties).map(([name, { description, examples, ...schema }]) => ({
    name,
    in: 'query',
    ...(required.includes(name) && { required: true }),
    description: description ?? `Only those with this \`${name}\`.`,
    schema,
    ...(Array.isArray(examples) && { example: examples[0] as unknown }),
  }))
}

function propertiesOf(schema: z.ZodType, schemas: Schemas): { properties: Record<string, Json>; required: string[] } {
  const { properties = {}, required = [] } = schemas.resolve(schemas.input(schema)) as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return { properties, required }
}

function listParameters(
  { sort, defaultSort, paging, defaultLimit = 20, mostLimit = 100 }: ListRules,
  names: string[],
): Json[] {
  const limit = {
    name: 'limit',
    in: 'query',
    description: `How many on a page. More than ${mostLimit} is brought down to ${mostLimit}.`,
    schema: { type: 'integer', minimum: 1, default: defaultLimit },
  }
  const order = {
    name: 'sort',
    in: 'query',
    description: 'What to sort by; `-` before it turns the order round.',
    schema: { type: 'string', enum: sort.flatMap((name) => [name, `-${name}`]), default: defaultSort },
  }
  return [
    limit,
    ...(paging.includes('cursor') ? [reference('Cursor')] : []),
    ...(paging.includes('offset') ? [reference('Page')] : []),
    reference('TotalCount'),
    order,
    ...fieldsParameter(names),
  ]
}

function singleParameters(operation: Operation, schemas: Schemas): Json[] {
  return operation.method === 'GET' ? fieldsParameter(itemFields(operation, schemas)) : []
}

function fieldsParameter(names: string[]): Json[] {
  if (names.length === 0) return []
  const parameter = {
    name: 'fields',
    in: 'query',
    description: 'Only these fields of each thing, separated by commas; `id` and `links` always come along.',
    style: 'form',
    explode: false,
    schema: { type: 'array', items: { type: 'string', enum: names } },
  }
  return [parameter]
}

/** The names of the fields of what a GET answers with. */
function itemFields({ responses }: Operation, schemas: Schemas): string[] {
  const schema = responses[200]?.schema
  if (!schema) return []
  const { properties = {} } = schemas.resolve(schemas.output(schema)) as { properties?: Json }
  return Object.keys(properties)
}

function headerParameters({ method, precondition, idempotent, headers = {} }: Operation): Json[] {
  return [
    ...(method === 'GET' ? [reference('IfNoneMatch')] : []),
    ...(precondition ? [reference('IfMatch')] : []),
    ...(idempotent ? [reference('IdempotencyKey')] : []),
    ...Object.entries(headers).map(([name, { description, schema }]) => ({
      name,
      in: 'header',
      description,
      schema: schema ?? { type: 'string' },
    })),
    reference('ApiVersion'),
  ]
}
