/**
 * Makes `src/client/operations.ts` from the API's OpenAPI document: a table of operations for the client to act on, and
 * their types, which so stand alone in the published package. `node test/client/write.ts` writes it; a test says when it is
 * out of date.
 */
import type { DocumentedOperation, OpenApiDocument } from '../../src/http/api/openapi.ts'
import { typeWriter, type Schema, type TypeWriter } from './type-writer.ts'

const HEADER = `/** Written by \`node test/client/write.ts\` from the API's document. Don't change it by hand. */
import type { Answer, CallOptions, ChangeOptions, CreateOptions, List, OperationFacts, ReadOptions } from './operation.ts'
`

interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  description?: string
  schema: Schema
}

/** An operation with what has to be known of it at hand. */
interface Described {
  id: string
  method: string
  /** Without the version. */
  path: string
  summary: string
  parameters: Parameter[]
  bodyType: string | undefined
  bodySchema: Schema | undefined
  bodyIsOptional: boolean
  /** Of each success; undefined for one without content. */
  answers: (Schema | undefined)[]
  /** Of a list: of one item. */
  item: Schema | undefined
}

/** @param version whose operations are written: `1` for paths under `/v1` */
export function operationsModule(document: OpenApiDocument, version: number): string {
  const writer = typeWriter((document.components.schemas ?? {}) as Record<string, Schema>)
  const operations = describeAll(document, version)
  const methods = operations.map((each) => methodType(each, writer))
  const filters = operations.filter(({ item }) => item).map((each) => filtersType(each, writer))
  return [
    HEADER,
    `export const operations = {\n${operations.map(factsOf).join('')}} as const satisfies Readonly<Record<string, OperationFacts>>\n`,
    `/** Every method takes the values of its path, then its body or, of a list, the filters, then options. */`,
    `export interface GrantryOperations {\n${methods.join('\n')}}\n`,
    ...filters,
    problemCodes(document),
    ...writer.declarations(),
  ].join('\n')
}

/** What a problem can be called: the end of its `type`. */
function problemCodes({ components }: OpenApiDocument): string {
  const codes = Object.values(components.responses ?? {}).flatMap((response) => {
    const content = (response.content ?? {}) as Record<string, { examples?: object }>
    return Object.keys(content['application/problem+json']?.examples ?? {})
  })
  const names = [...new Set(codes)].sort().map((code) => `'${code}'`)
  return `/** Of the problems that the API may answer with. */\nexport type ProblemCode = ${names.join(' | ')}\n`
}

function describeAll(document: OpenApiDocument, version: number): Described[] {
  const prefix = `/v${version}/`
  return Object.entries(document.paths)
    .filter(([path]) => path.startsWith(prefix))
    .flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) =>
        describe(document, path.slice(prefix.length - 1), method.toUpperCase(), operation),
      ),
    )
    .filter(({ answers }) => answers.length > 0)
}

function describe(document: OpenApiDocument, path: string, method: string, operation: DocumentedOperation): Described {
  const { operationId: id, summary, requestBody } = operation
  const content = (requestBody?.content ?? {}) as Record<string, { schema: Schema }>
  const [bodyType] = Object.keys(content)
  const answers = answersOf(operation)
  return {
    id,
    method,
    path,
    summary,
    parameters: operation.parameters.map((parameter) => resolve(document, parameter) as unknown as Parameter),
    bodyType,
    bodySchema: bodyType === undefined ? undefined : content[bodyType]?.schema,
    bodyIsOptional: requestBody?.required === false,
    answers,
    item: answers.map((answer) => answer && itemOf(document, answer)).find((item) => item !== undefined),
  }
}

/** Of the successes that a program can read: JSON, or nothing. */
function answersOf({ responses }: DocumentedOperation): (Schema | undefined)[] {
  return Object.entries(responses)
    .filter(([status]) => status.startsWith('2'))
    .flatMap(([, response]) => {
      const content = response.content as Record<string, { schema: Schema }> | undefined
      if (!content) return [undefined]
      return content['application/json'] ? [content['application/json'].schema] : []
    })
}

/** The item of a page, as a list answers. */
function itemOf(document: OpenApiDocument, schema: Schema): Schema | undefined {
  const { properties } = resolve(document, schema as object) as Schema
  return properties?.pagination && properties.data?.items ? properties.data.items : undefined
}

function resolve(document: OpenApiDocument, value: object): object {
  const { $ref } = value as { $ref?: string }
  if ($ref === undefined) return value
  const [, kind = '', name = ''] = /^#\/components\/(\w+)\/(.+)$/.exec($ref) ?? []
  const found = document.components[kind]?.[name]
  if (!found) throw new Error(`${$ref} leads nowhere`)
  return found
}

const has = (parameters: Parameter[], name: string) => parameters.some((parameter) => parameter.name === name)

function factsOf({ id, method, path, item, bodyType, parameters }: Described): string {
  const facts = [
    `method: '${method}'`,
    `path: '${path}'`,
    ...(item ? [`list: '${has(parameters, 'after') ? 'after' : 'cursor'}'`] : []),
    ...(bodyType === undefined ? [] : [`body: '${bodyType}'`]),
    ...(has(parameters, 'Idempotency-Key') ? ['keyed: true'] : []),
    ...(has(parameters, 'If-Match') ? ['conditional: true'] : []),
  ]
  return `${id}: { ${facts.join(', ')} },\n`
}

function methodType(operation: Described, writer: TypeWriter): string {
  const { id, summary, parameters, bodySchema, bodyIsOptional, item } = operation
  const answer = item ? writer.type(item) : answerType(operation, writer)
  const conditional = has(parameters, 'If-Match')
  const inputs = [
    ...parameters.filter((each) => each.in === 'path').map(({ name }) => `${camelCase(name)}: string`),
    ...(bodySchema ? [`body${bodyIsOptional ? '?' : ''}: ${writer.type(bodySchema)}`] : []),
    ...(item ? [`filters?: ${filtersName(id)}`] : []),
    `options${conditional ? '' : '?'}: ${optionsType(operation, answer)}`,
  ]
  const result = item ? `List<${answer}>` : `Promise<Answer<${answer}>>`
  return `${writer.comment(summary)}${id}(${inputs.join(', ')}): ${result}\n`
}

function answerType({ answers }: Described, writer: TypeWriter): string {
  return [...new Set(answers.map((answer) => (answer ? writer.type(answer) : 'undefined')))].join(' | ')
}

function optionsType({ method, parameters, item }: Described, answer: string): string {
  if (has(parameters, 'If-Match')) return 'ChangeOptions'
  if (has(parameters, 'Idempotency-Key')) return 'CreateOptions'
  return method === 'GET' && !item ? `ReadOptions<${answer}>` : 'CallOptions'
}

function filtersType({ id, parameters }: Described, writer: TypeWriter): string {
  const members = parameters
    .filter((parameter) => parameter.in === 'query')
    .map((parameter) => {
      const mark = parameter.required ? '' : '?'
      return `${writer.comment(parameter.description)}${writer.key(parameter.name)}${mark}: ${filterType(parameter, writer)}\n`
    })
  // A type, not an interface: only so it counts as a query.
  return `export type ${filtersName(id)} = {\n${members.join('')}}\n`
}

/** Times may also be given as dates, yes and no as they are. */
function filterType({ schema }: Parameter, writer: TypeWriter): string {
  if (JSON.stringify(schema.enum) === '["true","false"]') return 'boolean'
  const type = schema.type === 'array' ? `readonly (${writer.type(schema.items ?? {})})[]` : writer.type(schema)
  return schema.format?.startsWith('date') ? `${type} | Date` : type
}

function filtersName(id: string): string {
  return `${id.charAt(0).toUpperCase()}${id.slice(1)}Filters`
}

function camelCase(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}
