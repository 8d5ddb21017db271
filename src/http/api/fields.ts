/** Sparse answers: `fields=id,name` leaves out the rest. */
import type { z } from 'zod'

/** What always stays: what a thing is, and where one can go from it. */
const ALWAYS = ['id', 'links']

interface Definition {
  type: string
  shape?: Record<string, unknown>
  innerType?: z.ZodType
  out?: z.ZodType
  in?: z.ZodType
  options?: readonly z.ZodType[]
  left?: z.ZodType
  right?: z.ZodType
  getter?: () => z.ZodType
}

/** The names of an object schema's fields; of a union those of all its parts. Undefined when it describes no object. */
export function fieldNames(schema: z.ZodType, side: 'in' | 'out' = 'out'): Set<string> | undefined {
  const definition = schema.def as unknown as Definition
  const { type, shape, innerType, options, left, right, getter } = definition
  if (type === 'object' && shape) return new Set(Object.keys(shape))
  if (type === 'lazy' && getter) return fieldNames(getter(), side)
  const parts = [innerType, definition[side], left, right, ...(options ?? [])].filter((part) => part !== undefined)
  const found = parts.map((part) => fieldNames(part, side)).filter((names) => names !== undefined)
  return found.length > 0 ? new Set(found.flatMap((names) => [...names])) : undefined
}

export type Fields = ReadonlySet<string>

/** @returns the names, or those that nobody knows */
export function readFields(text: string, known: ReadonlySet<string>): { fields?: Fields; unknown: string[] } {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !known.has(name))
  return unknown.length > 0 ? { unknown } : { fields: new Set([...names, ...ALWAYS]), unknown }
}

export function pick(thing: object, fields: Fields | undefined): object {
  return fields ? Object.fromEntries(Object.entries(thing).filter(([name]) => fields.has(name))) : thing
}
