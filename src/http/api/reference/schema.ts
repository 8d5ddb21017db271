/** A JSON Schema as a list of fields that people read. */
import type { OpenApiDocument } from '../openapi.ts'
import type { Json } from '../openapi-schemas.ts'
import { resolve } from './example.ts'
import { markup, inline, type Content, type Html } from './html.ts'

const DEEPEST = 6

/** The fields of an object, or what a value is. */
export function schemaView(document: OpenApiDocument, given: Json, depth = 0): Content {
  const schema = resolve(document, given)
  const fields = fieldsOf(document, schema)
  if (fields && depth <= DEEPEST) return fieldList(document, fields, depth)
  return markup`<p class="type">${typeOf(document, given)}</p>`
}

interface Fields {
  properties: Record<string, Json>
  required: readonly string[]
}

function fieldsOf(document: OpenApiDocument, schema: Json): Fields | undefined {
  if (Array.isArray(schema.allOf)) {
    const parts = (schema.allOf as Json[]).map((part) => fieldsOf(document, resolve(document, part)))
    return {
      properties: Object.assign({}, ...parts.map((part) => part?.properties ?? {})) as Record<string, Json>,
      required: parts.flatMap((part) => part?.required ?? []),
    }
  }
  const choices = (schema.oneOf ?? schema.anyOf) as Json[] | undefined
  if (schema.discriminator && choices) return commonFields(document, choices)
  if (!schema.properties) return undefined
  return { properties: schema.properties as Record<string, Json>, required: (schema.required ?? []) as string[] }
}

/** What the choices of a union have in common. Where they differ, their values, or only what is meant. */
function commonFields(document: OpenApiDocument, choices: readonly Json[]): Fields | undefined {
  const [first, ...others] = choices.map((choice) => fieldsOf(document, resolve(document, choice)))
  if (!first) return undefined
  const names = Object.keys(first.properties).filter((name) => others.every((other) => other?.properties[name]))
  const common = (name: string): Json => {
    const all = [first, ...others].map((fields) => fields?.properties[name] ?? {})
    const [schema = {}] = all
    if (all.every((other) => 'const' in other)) return { type: 'string', enum: all.map((other) => other.const) }
    if (all.every((other) => JSON.stringify(other) === JSON.stringify(schema))) return schema
    return { ...(schema.type !== undefined && { type: schema.type }), description: 'Differs from one to another.' }
  }
  return { properties: Object.fromEntries(names.map((name) => [name, common(name)])), required: first.required }
}

function fieldList(document: OpenApiDocument, { properties, required }: Fields, depth: number): Html {
  const entries = Object.entries(properties)
  if (entries.length === 0) return markup`<p class="type">an empty object</p>`
  return markup`<ul class="fields">
    ${entries.map(([name, schema]) => fieldView(document, { name, schema, isRequired: required.includes(name) }, depth))}
  </ul>`
}

export interface Field {
  name: string
  schema: Json
  isRequired: boolean
  description?: string | undefined
}

/** Name, type, rules and meaning; what is inside it folds out. */
export function fieldView(
  document: OpenApiDocument,
  { name, schema: given, isRequired, description }: Field,
  depth = 0,
): Html {
  const schema = resolve(document, given)
  const told = description ?? given.description ?? schema.description
  const inner = innerObject(document, schema)
  return markup`<li>
    <p class="field">
      <code class="name">${name}</code> <span class="type">${typeOf(document, given)}</span>
      ${isRequired && markup`<span class="must">required</span>`}
      ${given.deprecated === true && markup`<span class="must">deprecated</span>`}
    </p>
    ${typeof told === 'string' && markup`<p>${inline(told)}</p>`} ${rulesView(schema)}
    ${
      inner &&
      depth < DEEPEST &&
      markup`<details>
        <summary>Fields of <code>${name}</code></summary>
        ${schemaView(document, inner, depth + 1)}
      </details>`
    }
  </li>`
}

/** The object inside: itself, what an array holds, or the one choice that is no null. */
function innerObject(document: OpenApiDocument, schema: Json): Json | undefined {
  if (fieldsOf(document, schema)) return schema
  if (schema.items) return innerObject(document, resolve(document, schema.items as Json))
  if (typeof schema.additionalProperties === 'object') {
    return innerObject(document, resolve(document, schema.additionalProperties as Json))
  }
  const choices = ((schema.anyOf ?? schema.oneOf ?? []) as Json[]).map((choice) => resolve(document, choice))
  return choices.map((choice) => innerObject(document, choice)).find((choice) => choice !== undefined)
}

/** `string`, `array of User`, `string or null`, `date-time` */
export function typeOf(document: OpenApiDocument, given: Json): string {
  const schema = resolve(document, given)
  const name = typeof given.$ref === 'string' ? given.$ref.slice(given.$ref.lastIndexOf('/') + 1) : undefined
  if (name && (schema.type === 'object' || schema.allOf || schema.discriminator)) return name
  const choices = (schema.anyOf ?? schema.oneOf) as Json[] | undefined
  if (choices) return [...new Set(choices.map((choice) => typeOf(document, choice)))].join(' or ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  const types = ([schema.type ?? (schema.enum ? 'string' : 'anything')].flat() as string[]).map((type) => {
    if (type === 'array') return schema.items ? `array of ${typeOf(document, schema.items as Json)}` : 'array'
    if (type === 'string' && typeof schema.format === 'string') return schema.format
    return type
  })
  return types.join(' or ')
}

const RULES: readonly [key: string, words: (value: unknown) => string][] = [
  ['minimum', (value) => `at least ${String(value)}`],
  ['exclusiveMinimum', (value) => `more than ${String(value)}`],
  ['maximum', (value) => `at most ${String(value)}`],
  ['minLength', (value) => `at least ${String(value)} character${value === 1 ? '' : 's'}`],
  ['maxLength', (value) => `at most ${String(value)} characters`],
  ['minItems', (value) => `at least ${String(value)} item${value === 1 ? '' : 's'}`],
  ['maxItems', (value) => `at most ${String(value)} items`],
]

function rulesView(schema: Json): Content {
  const items = (schema.items ?? {}) as Json
  const values = (schema.enum ?? items.enum) as unknown[] | undefined
  const rules = RULES.filter(([key]) => schema[key] !== undefined).map(([key, words]) => words(schema[key]))
  const { default: usual, pattern } = schema
  const told: Content[] = [
    values && ['one of ', values.map((value, index) => [index > 0 && ', ', markup`<code>${String(value)}</code>`])],
    ...rules,
    typeof pattern === 'string' && pattern.length <= 80 && ['matches ', markup`<code>${pattern}</code>`],
    usual !== undefined && [
      'default ',
      markup`<code>${typeof usual === 'string' ? usual : JSON.stringify(usual)}</code>`,
    ],
  ]
  const shown = told.filter(Boolean)
  return shown.length > 0 && markup`<p class="rule">${shown.map((rule, index) => [index > 0 && ' · ', rule])}</p>`
}
