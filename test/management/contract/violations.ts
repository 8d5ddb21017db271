/** Inputs that an operation's schemas forbid, and the place that the problem must name. */
import { fc } from '../../support/property.ts'
import type { Contract, Described, Plain } from './document.ts'

export interface Violation {
  body?: unknown
  query?: Record<string, string>
  /** A JSON pointer in the body; the problem may name a place inside it. */
  pointer?: string
  parameter?: string
}

/** Every kind of violation that there is for the operation; undefined when nothing can be wrong with what it takes. */
export function violationsOf(contract: Contract, { id, operation }: Described): fc.Arbitrary<Violation> {
  const kinds = [...queryViolations(contract, operation), ...bodyViolations(contract, id, operation)]
  return fc.oneof(...kinds)
}

const junk = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
const rubbish = fc.oneof(
  fc.constant({ a: [{ b: [[]] }] }),
  fc.constant([[[[null]]]]),
  fc.constant({ __proto__x: { constructor: 1 } }),
)

function queryViolations(contract: Contract, operation: Plain): fc.Arbitrary<Violation>[] {
  const parameters = (operation.parameters as Plain[]).map(contract.resolve).filter((one) => one.in === 'query')
  const known = new Set(parameters.map(({ name }) => name as string))
  const unknown = junk
    .filter((name) => !known.has(name) && name.trim() !== '' && name.isWellFormed())
    .map((name): Violation => ({ query: { [name]: '1' }, parameter: name }))
  return [unknown, ...parameters.flatMap((parameter) => wrongValue(parameter))]
}

function wrongValue({ name, schema }: Plain): fc.Arbitrary<Violation>[] {
  const values = (schema.enum ?? schema.items?.enum) as string[] | undefined
  const wrong = values
    ? junk.filter((text) => !values.includes(text))
    : schema.type === 'integer' && name !== 'version'
      ? fc.constantFrom('0', '-1', '1.5', 'x', '', '1e3', '９', ' 1')
      : schema.format === 'date-time'
        ? fc.constantFrom('yesterday', '2026-13-01T00:00:00Z', '1', '2026-01-01')
        : undefined
  return wrong ? [wrong.map((value) => ({ query: { [name as string]: value }, parameter: name as string }))] : []
}

function bodyViolations(contract: Contract, id: string, operation: Plain): fc.Arbitrary<Violation>[] {
  const media = Object.values((operation.requestBody?.content ?? {}) as Record<string, Plain>)[0]
  if (!media) return []
  const base = contract.example(id)?.value ?? {}
  const schema = contract.resolve(media.schema as Plain)
  if (!schema.properties) return [fc.constantFrom<unknown>([], 'text', 5, true).map((body) => ({ body, pointer: '#' }))]
  const properties = schema.properties as Record<string, Plain>
  const required = (schema.required ?? []) as string[]
  const set = (name: string, value: unknown): Violation => ({ body: { ...base, [name]: value }, pointer: `#/${name}` })
  return [
    fc.constantFrom<unknown>([], 'text', 5, true, null).map((body) => ({ body, pointer: '#' })),
    fc
      .stringMatching(/^[a-z_]{1,12}$/)
      .filter((name) => !Object.hasOwn(properties, name))
      .chain((name) => rubbish.map((value) => set(name, value))),
    ...(required.length > 0 ? [fc.constantFrom(...required).map((name) => without(base, name))] : []),
    ...Object.entries(properties).flatMap(([name, given]) =>
      wrongValues(contract, given).map((values) => values.map((value) => set(name, value))),
    ),
  ]
}

function without(base: Plain, name: string): Violation {
  return { body: Object.fromEntries(Object.entries(base).filter(([key]) => key !== name)), pointer: `#/${name}` }
}

/** Values that a property can't have, by what its schema says. */
function wrongValues(contract: Contract, given: Plain): fc.Arbitrary<unknown>[] {
  const schema = contract.resolve(given)
  const choices = ((schema.anyOf ?? []) as Plain[]).map(contract.resolve)
  const types = new Set([schema.type, ...choices.map(({ type }) => type as string)].flat().filter(Boolean) as string[])
  const facts = choices.length > 0 ? (choices.find(({ type }) => type !== 'null') ?? schema) : schema
  if (types.size === 0 && !facts.enum) return []
  const others: [type: string, arbitrary: fc.Arbitrary<unknown>][] = [
    ['string', fc.constantFrom('', 'true', '1', 'x')],
    ['number', fc.constantFrom(0, 1, -1.5, 1e21)],
    ['boolean', fc.boolean()],
    ['array', fc.constantFrom<unknown>([], [[]])],
    ['object', rubbish.filter((value) => !Array.isArray(value))],
    ['null', fc.constant(null)],
  ]
  const isNumber = types.has('integer') || types.has('number')
  const wrongType = others
    .filter(([type]) => !types.has(type) && !(type === 'number' && isNumber) && !(type === 'string' && facts.enum))
    .map(([, arbitrary]) => arbitrary)
  const { maxLength, minLength, enum: values, minimum, maximum, maxItems, items } = facts
  return [
    ...wrongType,
    ...(typeof maxLength === 'number' ? [fc.constant('x'.repeat(maxLength + 1))] : []),
    ...(typeof minLength === 'number' && minLength > 0 ? [fc.constant('x'.repeat(minLength - 1))] : []),
    ...(values ? [junk.filter((text) => !(values as string[]).includes(text))] : []),
    ...(typeof minimum === 'number' ? [fc.constant(minimum - 1)] : []),
    ...(typeof maximum === 'number' ? [fc.constant(maximum + 1)] : []),
    ...(typeof maxItems === 'number'
      ? [fc.constant(Array.from({ length: maxItems + 1 }, (_, index) => `x${index}`))]
      : []),
    ...(items ? [fc.constantFrom<unknown>([5], [null], [[[]]])] : []),
  ]
}

/** Whether one of the errors names the place, or a place inside it. */
export function isNamed(errors: Plain[] | undefined, { pointer, parameter }: Violation): boolean {
  return (errors ?? []).some((error) =>
    parameter === undefined
      ? error.pointer === pointer || (typeof error.pointer === 'string' && error.pointer.startsWith(`${pointer}/`))
      : error.parameter === parameter,
  )
}
