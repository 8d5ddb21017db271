/** Links in what the management API answers: what else there is, and what this caller may do with the thing as it is now. */
import { z } from 'zod'
import type { Call } from '../http/api/operation.ts'

export interface Link {
  href: string
  /** Left out: GET. */
  method?: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
}

export type Links = Record<string, Link>

export const linkSchema = z
  .strictObject({
    href: z.url().describe('Where to send the request.'),
    method: z.enum(['POST', 'PUT', 'PATCH', 'DELETE']).optional().describe('How; left out: GET.'),
  })
  .meta({ id: 'Link', description: 'Leads to a related thing, or to something that the caller may do.' })

/** The links of a kind of thing: `self` always, the others as state and permission have it. */
export function linksSchema(others: Readonly<Record<string, string>> = {}) {
  const optional = Object.entries(others).map(([name, about]) => [name, linkSchema.optional().describe(about)])
  return z
    .strictObject({
      self: linkSchema,
      ...(Object.fromEntries(optional) as Record<string, z.ZodOptional<typeof linkSchema>>),
    })
    .describe('What else there is, and what this caller may do with it now. A link that is missing would be refused.')
}

/** A link to a path of the API. */
export function linkTo(call: Pick<Call, 'link'>, path: string, method?: Link['method']): Link {
  return { href: call.link(path), ...(method && { method }) }
}
