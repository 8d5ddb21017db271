/** What is said of a type of event, and the facts that several of them share. */
import { z } from 'zod'

export interface EventDefinition<Data extends z.ZodObject = z.ZodObject> {
  /** What it means, in one sentence. */
  meaning: string
  /** The facts beyond the ids; nothing else is in it, and nothing secret. */
  data: Data
}

/** One type of event. */
export function event<Shape extends z.ZodRawShape = Record<never, never>>(
  meaning: string,
  facts: Shape = {} as Shape,
): EventDefinition<z.ZodObject<Shape, z.core.$strict>> {
  return { meaning, data: z.strictObject(facts) }
}

export function list(meaning: string) {
  return z.array(z.string()).describe(meaning)
}

export function count(meaning: string) {
  return z.int().min(0).describe(meaning)
}

export function moment(meaning: string) {
  return z.iso.datetime().describe(meaning)
}

export function momentOrNull(meaning: string) {
  return z.iso.datetime().nullable().describe(meaning)
}

export const fields = list('The names of the fields that changed; not what they were or are.')
export const sessionsEnded = count('How many browser sessions ended with it.')
export const grantsRevoked = count('How many token families ended with it.')
/** Under this name it is replaced when the person is erased (migration 0005-audit). */
export const address = z.string().describe('The IP address that it came from; a pseudonym once the person is erased.')
