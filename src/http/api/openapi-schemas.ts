/** JSON Schemas (2020-12) of an API's zod schemas, those with a name gathered once as components. */
import { z } from 'zod'

export type Json = Record<string, unknown>

export interface Schemas {
  /** What a caller may send: defaults may be left out, strict objects refuse what they do not know. */
  input(schema: z.ZodType): Json
  /** What leaves the server. */
  output(schema: z.ZodType): Json
  /** Adds a schema of our own. @returns a reference to it */
  named(name: string, schema: Json): Json
  /** Follows a reference to a component. */
  resolve(schema: Json): Json
  /** Everything named so far, in order of names. */
  components(): Record<string, Json>
}

const REF = '#/components/schemas/'

export function collectSchemas(): Schemas {
  const found = new Map<string, Json>()

  /** Two schemas under one name are told apart by a suffix: what is sent and what comes back often differ. */
  function place(name: string, schema: Json, suffix: string): string {
    for (let candidate = name; ; candidate += suffix) {
      const known = found.get(candidate)
      if (known && JSON.stringify(known) !== JSON.stringify(schema)) continue
      found.set(candidate, schema)
      return candidate
    }
  }

  function convert(schema: z.ZodType, io: 'input' | 'output'): Json {
    const { $defs = {}, ...root } = z.toJSONSchema(schema, {
      target: 'draft-2020-12',
      io,
      unrepresentable: 'any',
      override: ({ jsonSchema }) => tidy(jsonSchema as Json),
    }) as Json & { $defs?: Record<string, Json> }
    delete root.$schema
    const names = new Map<string, string>()
    const renamed = (value: unknown): unknown => rewriteRefs(value, (name) => REF + (names.get(name) ?? name))
    // Innermost first, so that a name is settled before whoever refers to it is compared.
    for (const name of innermostFirst($defs)) {
      const { id: _, ...definition } = $defs[name]!
      names.set(name, place(name, renamed(definition) as Json, io === 'input' ? 'Input' : 'Output'))
    }
    const { id: _, ...rest } = renamed(root) as Json
    return rest
  }

  return {
    input: (schema) => convert(schema, 'input'),
    output: (schema) => convert(schema, 'output'),
    named: (name, schema) => ({ $ref: REF + place(name, schema, 'Other') }),
    resolve: (schema) => {
      const name = typeof schema.$ref === 'string' ? schema.$ref.slice(REF.length) : undefined
      return name === undefined ? schema : (found.get(name) ?? {})
    },
    components: () => Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1))),
  }
}

/** What zod writes and no reader needs; `example` is spelled `examples` in JSON Schema. */
function tidy(schema: Json): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (typeof schema.format === 'string' && schema.format.startsWith('date')) delete schema.pattern
  if (JSON.stringify(schema.propertyNames) === '{"type":"string"}') delete schema.propertyNames
  if ('example' in schema) {
    schema.examples = [schema.example]
    delete schema.example
  }
}

function rewriteRefs(value: unknown, to: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => rewriteRefs(item, to))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === '$ref' && typeof inner === 'string'
        ? to(inner.slice(inner.lastIndexOf('/') + 1))
        : rewriteRefs(inner, to),
    ]),
  )
}

function innermostFirst(definitions: Record<string, Json>): string[] {
  const order: string[] = []
  const visit = (name: string, path: readonly string[]): void => {
    if (order.includes(name) || path.includes(name) || !definitions[name]) return
    rewriteRefs(definitions[name], (inner) => {
      visit(inner, [...path, name])
      return inner
    })
    order.push(name)
  }
  for (const name of Object.keys(definitions)) visit(name, [])
  return order
}
