/** Values that fit a schema, for showing. */
import type { OpenApiDocument } from '../openapi.ts'
import type { Json } from '../openapi-schemas.ts'

const DEEPEST = 8
const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T09:30:00.000Z',
  date: '2026-01-31',
  email: 'alice@example.com',
  uri: 'https://example.com/',
  url: 'https://example.com/',
  uuid: '8e03978e-40d5-43dd-bc93-6894a57f9324',
}

/** The component that a schema, parameter, header or response refers to, or itself. */
export function resolve(document: OpenApiDocument, value: Json): Json {
  if (typeof value.$ref !== 'string') return value
  const [, kind = '', name = ''] = /^#\/components\/(\w+)\/(.+)$/.exec(value.$ref) ?? []
  return document.components[kind]?.[name] ?? {}
}

/** Its own example where it has one; else the plainest value. */
export function exampleOf(document: OpenApiDocument, given: Json, depth = 0): unknown {
  const schema = resolve(document, given)
  const { examples, const: constant, enum: values, type } = schema
  if (Array.isArray(examples)) return examples[0]
  if (constant !== undefined) return constant
  if (schema.default !== undefined) return schema.default
  if (Array.isArray(values)) return values[0]
  const [choice] = ((schema.anyOf ?? schema.oneOf ?? []) as Json[]).filter(({ type: kind }) => kind !== 'null')
  if (choice) return exampleOf(document, choice, depth + 1)
  if (Array.isArray(schema.allOf)) {
    return Object.assign({}, ...(schema.allOf as Json[]).map((part) => exampleOf(document, part, depth + 1))) as unknown
  }
  const kind = Array.isArray(type) ? (type as unknown[])[0] : type
  if (kind === 'object') return exampleObject(document, schema, depth)
  if (kind === 'array')
    return depth > DEEPEST || !schema.items ? [] : [exampleOf(document, schema.items as Json, depth + 1)]
  return examplePrimitive(kind, schema)
}

function exampleObject(document: OpenApiDocument, { properties = {} }: Json, depth: number): Json {
  if (depth > DEEPEST) return {}
  return Object.fromEntries(
    Object.entries(properties as Record<string, Json>).map(([name, inner]) => [
      name,
      exampleOf(document, inner, depth + 1),
    ]),
  )
}

function examplePrimitive(kind: unknown, { format, minimum, minLength }: Json): unknown {
  if (kind === 'boolean') return true
  if (kind === 'integer' || kind === 'number') return typeof minimum === 'number' ? minimum : 1
  if (kind !== 'string') return null
  return (
    FORMATS[String(format)] ?? (typeof minLength === 'number' && minLength > 6 ? 'text'.padEnd(minLength, '…') : 'text')
  )
}
