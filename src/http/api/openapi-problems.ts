/** The problems that an operation's declaration implies, beside its own, and how the document tells of them. */
import type { ProblemCatalogue } from '../problem.ts'
import type { Json } from './openapi-schemas.ts'
import { pathNames } from './openapi-parameters.ts'
import type { Operation, ResponseRules } from './operation.ts'

/** Which operations can answer with which of the problems that every API knows. */
const IMPLIED: readonly { codes: readonly string[]; when: (operation: Operation) => boolean }[] = [
  {
    codes: [
      'invalid-request',
      'version-conflict',
      'version-unknown',
      'too-many-requests',
      'internal-error',
      'unavailable',
    ],
    when: () => true,
  },
  { codes: ['not-acceptable'], when: ({ responses }) => Object.values(responses).some(hasContent) },
  { codes: ['cursor-invalid', 'cursor-mismatch'], when: ({ list }) => list?.paging.includes('cursor') === true },
  { codes: ['unauthenticated'], when: ({ access }) => access !== 'public' },
  { codes: ['insufficient-scope'], when: ({ access }) => typeof access === 'object' },
  { codes: ['not-found'], when: ({ path }) => pathNames(path).length > 0 },
  { codes: ['content-too-large', 'unsupported-media-type'], when: ({ body }) => body !== undefined },
  {
    codes: ['idempotency-key-invalid', 'idempotency-key-in-flight', 'idempotency-key-reused'],
    when: ({ idempotent }) => idempotent === true,
  },
  { codes: ['precondition-failed', 'precondition-required'], when: ({ precondition }) => precondition !== undefined },
]

function hasContent({ schema, mediaType }: ResponseRules): boolean {
  return schema !== undefined || mediaType !== undefined
}

/** Codes by status, each status's in the order of the catalogue. */
export function problemsByStatus(operation: Operation, catalogue: ProblemCatalogue): Map<number, string[]> {
  const implied = IMPLIED.filter(({ when }) => when(operation)).flatMap(({ codes }) => codes)
  const possible = new Set([...implied, ...(operation.problems ?? [])])
  const byStatus = new Map<number, string[]>()
  for (const [code, { status }] of Object.entries(catalogue)) {
    if (possible.has(code)) byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return new Map([...byStatus].sort(([a], [b]) => a - b))
}

/** RFC 9457, and what we add. */
export const problemSchema: Json = {
  type: 'object',
  description: 'What went wrong (RFC 9457).',
  required: ['type', 'title', 'status', 'instance', 'trace_id'],
  properties: {
    type: { type: 'string', format: 'uri', description: 'Which kind of problem; leads to a page about it.' },
    title: { type: 'string', description: 'The kind in words, in the language that was asked for.' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: { type: 'string', description: 'What went wrong this time.' },
    instance: { type: 'string', description: 'The path that was asked for.' },
    errors: { type: 'array', items: { $ref: '#/components/schemas/InputError' } },
    trace_id: { type: 'string', pattern: '^[0-9a-f]{32}$', description: 'Under which the server’s log tells more.' },
  },
}

export const inputErrorSchema: Json = {
  type: 'object',
  description: 'One thing that is wrong with an input, and where.',
  required: ['detail'],
  properties: {
    pointer: {
      type: 'string',
      description: 'A place in the body: a JSON pointer as URI fragment.',
      examples: ['#/email'],
    },
    parameter: { type: 'string', description: 'A parameter of the query or the path.', examples: ['limit'] },
    header: { type: 'string', description: 'A field of the request’s header.', examples: ['If-Match'] },
    detail: { type: 'string' },
    code: { type: 'string' },
  },
}

/** The answer with one of these problems, all of one status. */
export function problemResponse(codes: readonly string[], catalogue: ProblemCatalogue, typeBase: string): Json {
  const told = codes.map((code) => ({ code, ...catalogue[code]! }))
  const [first] = told
  return {
    description:
      told.length === 1 ? `${first?.title}.` : told.map(({ code, title }) => `- \`${code}\`: ${title}`).join('\n'),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            {
              type: 'object',
              properties: { type: { enum: codes.map((code) => typeBase + code) }, status: { const: first?.status } },
            },
          ],
        },
        examples: Object.fromEntries(
          told.map(({ code, title, status }) => [
            code,
            {
              value: {
                type: typeBase + code,
                title,
                status,
                instance: '/',
                trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
              },
            },
          ]),
        ),
      },
    },
  }
}

/** `NotFound`, `CursorMismatchOrInvalidRequest`: the name of the response in the document. */
export function problemResponseName(codes: readonly string[]): string {
  return codes.map((code) => code.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())).join('Or')
}
