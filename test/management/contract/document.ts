/** An OpenAPI document as the judge of answers, with a validator that the server does not use. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

// Whatever stands in a document; its own shape is the linter's business.
// oxlint-disable-next-line typescript/no-explicit-any
export type Plain = Record<string, any>

export interface Described {
  id: string
  method: string
  /** `/v1/users/{user_id}` */
  path: string
  operation: Plain
}

export interface Answered {
  status: number
  headers: Headers
  body: unknown
}

export interface Contract {
  operations: ReadonlyMap<string, Described>
  /** Follows a reference. */
  resolve: (value: Plain) => Plain
  /** What the answer has that the document does not say, or lacks. Remembers the status. */
  faults: (id: string, answer: Answered) => string[]
  /** Success statuses that were documented and never seen: `listUsers 304`. */
  unseen: () => string[]
  /** The first example of the body, and its media type. */
  example(id: string, name?: string): { type: string; value: Plain } | undefined
  examples: (id: string) => Record<string, Plain>
}

export function createContract(document: Plain): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema({ ...document, $id: 'document' })
  const compiled = new Map<string, ValidateFunction>()
  const seen = new Set<string>()
  const operations = new Map<string, Described>()
  for (const [path, item] of Object.entries(document.paths as Plain)) {
    for (const [method, operation] of Object.entries(item as Plain)) {
      const id = (operation as Plain).operationId as string
      operations.set(id, { id, path, method: method.toUpperCase(), operation: operation as Plain })
    }
  }

  const at = (pointer: string): Plain =>
    pointer
      .slice(2)
      .split('/')
      .reduce<Plain>((value, key) => value[key.replaceAll('~1', '/').replaceAll('~0', '~')], document)
  const resolve = (value: Plain): Plain => (typeof value.$ref === 'string' ? at(value.$ref) : value)
  const found = (id: string): Described => {
    const described = operations.get(id)
    if (!described) throw new Error(`the document has no operation ${id}`)
    return described
  }

  /** Schemas of ours refer to the document's components, which ajv knows under the document's id. */
  function validator(key: string, schema: Plain): ValidateFunction {
    const known = compiled.get(key) ?? ajv.compile(absolute(schema))
    compiled.set(key, known)
    return known
  }

  function faults(id: string, { status, headers, body }: Answered): string[] {
    seen.add(`${id} ${status}`)
    const given = found(id).operation.responses[status] as Plain | undefined
    if (!given) return [`${id}: the document has no status ${status}`]
    const response = resolve(given)
    const type = headers.get('content-type')?.split(';')[0]
    const missing = Object.keys((response.headers ?? {}) as Plain)
      .filter(
        (name) => (REQUIRED_HEADERS.has(name) || `${status} ${name}` === '401 WWW-Authenticate') && !headers.has(name),
      )
      .map((name) => `${id} ${status}: no ${name}`)
    const content = (response.content ?? {}) as Plain
    if (body === undefined || body === '') {
      return type === undefined || status === 304 ? missing : [...missing, `${id} ${status}: a type without content`]
    }
    const media = content[type ?? ''] as Plain | undefined
    if (!media) return [...missing, `${id} ${status}: the document has no ${type}`]
    const validate = validator(`${id} ${status} ${type}`, media.schema as Plain)
    if (validate(body)) return missing
    return [
      ...missing,
      ...(validate.errors ?? []).map(({ instancePath, message }) => `${id} ${status} ${instancePath} ${message}`),
    ]
  }

  const media = (id: string): [string, Plain][] =>
    Object.entries((found(id).operation.requestBody?.content ?? {}) as Plain) as [string, Plain][]
  const examples = (id: string): Record<string, Plain> =>
    Object.fromEntries(
      Object.entries((media(id)[0]?.[1].examples ?? {}) as Plain).map(([name, { value }]) => [name, value as Plain]),
    )

  return {
    operations,
    resolve,
    faults,
    examples,
    example(id, name) {
      const [first] = media(id)
      if (!first) return undefined
      const all = examples(id)
      return { type: first[0], value: (name === undefined ? Object.values(all)[0] : all[name]) ?? {} }
    },
    unseen: () =>
      [...operations.values()].flatMap(({ id, operation }) =>
        Object.keys(operation.responses as Plain)
          .filter((status) => Number(status) < 400 && !seen.has(`${id} ${status}`))
          .map((status) => `${id} ${status}`),
      ),
  }
}

/** Headers that every answer of the status has; the others come with what was asked for. */
const REQUIRED_HEADERS = new Set(['API-Version', 'X-Request-Id', 'ETag'])

function absolute(value: unknown): Plain {
  return JSON.parse(JSON.stringify(value).replaceAll('"$ref":"#/', '"$ref":"document#/')) as Plain
}
