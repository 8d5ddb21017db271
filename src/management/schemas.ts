/** Pieces that the schemas of several nouns are made of. */
import { z } from 'zod'

/** When something happened, as it is presented: ISO 8601 in UTC. */
export function time(description: string) {
  return z.iso.datetime().meta({ description, example: '2030-01-31T12:00:00.000Z' })
}

export const versionSchema = z.int().min(1).meta({
  description: 'Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`.',
  example: 1,
})

/** What a repetition of a request says instead of the secret that the first answer told. */
export const secretsOmittedSchema = z
  .literal(true)
  .optional()
  .describe('Only in the answer to a repeated request: the secret was told once, by the first.')
