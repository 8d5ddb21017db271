/** The request of an operation as a command that can be pasted. */
import type { DocumentedOperation, OpenApiDocument } from '../openapi.ts'
import type { Json } from '../openapi-schemas.ts'
import { exampleOf, resolve } from './example.ts'

export interface Shown {
  method: string
  path: string
  operation: DocumentedOperation
}

/** With placeholders for ids, `$TOKEN` for the credentials, and the first example as body. */
export function curlOf(document: OpenApiDocument, { method, path, operation }: Shown): string {
  const parameters = operation.parameters.map((parameter) => resolve(document, parameter))
  const required = parameters.filter((parameter) => parameter.required === true)
  const query = required
    .filter((parameter) => parameter.in === 'query')
    .map((parameter) => `${String(parameter.name)}=…`)
  const url = document.servers[0]?.url + path + (query.length > 0 ? `?${query.join('&')}` : '')
  const body = bodyExample(document, operation)
  const shown = parameters.filter(
    (parameter) => parameter.in === 'header' && (parameter.required === true || parameter.name === 'Idempotency-Key'),
  )
  const headers = [
    ...(operation.security.length > 0 ? ['"Authorization: Bearer $TOKEN"'] : []),
    ...shown.map((parameter) =>
      quote(`${String(parameter.name)}: ${typeof parameter.example === 'string' ? parameter.example : '…'}`),
    ),
    ...(body ? [quote(`Content-Type: ${body.mediaType}`)] : []),
  ]
  const verb = method === 'GET' ? '' : ` -X ${method}`
  return [
    `curl${verb} ${quote(url)}`,
    ...headers.map((header) => `-H ${header}`),
    ...(body ? [`-d ${quote(JSON.stringify(body.value, null, 2))}`] : []),
  ].join(' \\\n  ')
}

/** The first media type of the body and its first example, or one made from the schema. */
export function bodyExample(
  document: OpenApiDocument,
  { requestBody }: DocumentedOperation,
): { mediaType: string; value: unknown } | undefined {
  const [entry] = Object.entries((requestBody?.content ?? {}) as Record<string, Json>)
  if (!entry) return undefined
  const [mediaType, media] = entry
  return { mediaType, value: mediaExample(document, media) }
}

/** What a media type's entry gives as example, or one made from its schema. */
export function mediaExample(document: OpenApiDocument, { schema, examples }: Json): unknown {
  const [example] = Object.values((examples ?? {}) as Record<string, { value: unknown }>)
  return example ? example.value : exampleOf(document, schema as Json)
}

/** For a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
