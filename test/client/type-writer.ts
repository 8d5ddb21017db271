/** TypeScript types of JSON Schemas (2020-12), as far as our documents use it. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  description?: string
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  prefixItems?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: boolean | Schema
}

export interface TypeWriter {
  /** The type; a component's is its name. */
  type(schema: Schema): string
  /** A doc comment on lines of its own, or nothing. */
  comment(text: string | undefined): string
  /** A property's name, quoted where it must be. */
  key(name: string): string
  /** The components that any type so far refers to, in order of names. */
  declarations(): string[]
}

const REF = '#/components/schemas/'
const SIMPLE: Record<string, string> = {
  string: 'string',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
  null: 'null',
}

export function typeWriter(components: Readonly<Record<string, Schema>>): TypeWriter {
  const used = new Map<string, string>()

  function reference(ref: string): string {
    const name = ref.slice(REF.length)
    const schema = components[name]
    if (!ref.startsWith(REF) || !schema) throw new Error(`${ref} leads nowhere`)
    if (!used.has(name)) {
      used.set(name, '') // a schema may contain itself
      used.set(name, `${comment(schema.description)}export type ${name} = ${type(schema)}\n`)
    }
    return name
  }

  function type(schema: Schema): string {
    if (schema.$ref !== undefined) return reference(schema.$ref)
    if ('const' in schema) return JSON.stringify(schema.const)
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
    const alternatives = schema.anyOf ?? schema.oneOf
    if (alternatives) return unique(alternatives.map(type)).join(' | ')
    if (schema.allOf) return schema.allOf.map((part) => `(${type(part)})`).join(' & ')
    const names = [schema.type ?? (schema.properties ? 'object' : 'unknown')].flat()
    return unique(names.map((name) => SIMPLE[name] ?? structured(name, schema))).join(' | ')
  }

  function structured(name: string, schema: Schema): string {
    if (name === 'array') return schema.prefixItems ? tuple(schema.prefixItems) : `(${type(schema.items ?? {})})[]`
    if (name === 'object') return object(schema)
    return 'unknown'
  }

  function tuple(items: Schema[]): string {
    return `[${items.map(type).join(', ')}]`
  }

  function object({ properties = {}, required = [], additionalProperties }: Schema): string {
    const members = Object.entries(properties).map(
      ([name, schema]) =>
        `${comment(schema.description)}${key(name)}${required.includes(name) ? '' : '?'}: ${type(schema)}\n`,
    )
    if (members.length > 0) return `{\n${members.join('')}}`
    const values = typeof additionalProperties === 'object' ? type(additionalProperties) : 'unknown'
    return additionalProperties === false ? 'Record<string, never>' : `Record<string, ${values}>`
  }

  return {
    type,
    comment,
    key,
    declarations: () => [...used].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text),
  }
}

function comment(text: string | undefined): string {
  return text === undefined || text === '' ? '' : `/** ${text.replaceAll('*/', '*\\/').replaceAll(/\s+/g, ' ')} */\n`
}

function key(name: string): string {
  return /^[a-z_$][\w$]*$/i.test(name) ? name : `'${name.replaceAll("'", String.raw`\'`)}'`
}

function unique(types: string[]): string[] {
  return [...new Set(types)]
}
