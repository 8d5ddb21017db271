/** Filters of lists, as they stand in a query. What a database would refuse with an error is refused here, by name. */
import { z } from 'zod'

/** A value that is compared as a whole. @param about what the filter does, for the document */
export function textFilter(about: string, example: string) {
  return z
    .string()
    .min(1)
    .max(254)
    .regex(/^\P{Cc}*$/u, 'must not contain control characters')
    .meta({ description: about, example })
}

/** `true` or `false`. */
export function flagFilter(about: string) {
  return z
    .enum(['true', 'false'])
    .transform((value) => value === 'true')
    .meta({ description: about, example: 'true' })
}

const EARLIEST = Date.parse('0001-01-01T00:00:00Z')
const LATEST = Date.parse('9999-12-31T00:00:00Z')

/** A time with its offset, within what the database holds. */
export const pointInTime = z.iso.datetime({ offset: true }).refine(
  (text) => {
    // Offsets and years that ISO 8601 knows and PostgreSQL doesn't. What is no time at all was refused already.
    const time = new Date(text).getTime()
    return Number.isNaN(time) || (time >= EARLIEST && time <= LATEST)
  },
  { error: 'must be a time between the years 1 and 9999' },
)

type TimeBound = 'gt' | 'gte' | 'lt' | 'lte'
type TimeFilters<Name extends string> = Record<`${Name}[${TimeBound}]`, z.ZodOptional<typeof pointInTime>>

/** `created_at[gte]` and its like, to be spread into a query's shape. */
export function timeFilters<Name extends string>(name: Name): TimeFilters<Name> {
  const filter = (bound: TimeBound, about: string) => [
    `${name}[${bound}]`,
    pointInTime.meta({ description: `Only those ${about} this time.`, example: '2030-01-31T12:00:00Z' }).optional(),
  ]
  return Object.fromEntries([
    filter('gt', 'after'),
    filter('gte', 'at or after'),
    filter('lt', 'before'),
    filter('lte', 'at or before'),
  ]) as TimeFilters<Name>
}

/** What `timeFilters` let through, as queries take it: in UTC, to the millisecond, which is how times are shown. */
export function timeRange<Name extends string>(
  query: Partial<Record<`${Name}[${TimeBound}]`, string | undefined>>,
  name: Name,
): { gte?: string; lt?: string } {
  const at = (bound: TimeBound) => {
    const text = query[`${name}[${bound}]`]
    return text === undefined ? [] : [new Date(text).getTime()]
  }
  // A time is stored to the microsecond: "at or before" what was shown has to include the whole millisecond.
  const from = [...at('gte'), ...at('gt').map((time) => time + 1)]
  const until = [...at('lt'), ...at('lte').map((time) => time + 1)]
  return {
    ...(from.length > 0 && { gte: new Date(Math.max(...from)).toISOString() }),
    ...(until.length > 0 && { lt: new Date(Math.min(...until)).toISOString() }),
  }
}
