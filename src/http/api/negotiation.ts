/** Which representation a caller gets (RFC 9110 §12.5.1). */
import { weightedList, type Weighted } from '../header-list.ts'

export const JSON_TYPE = 'application/json'
export const CSV_TYPE = 'text/csv'

export function vendorType(vendor: string, version: number): string {
  return `application/vnd.${vendor}.v${version}+json`
}

/**
 * The offered type of the highest weight; of several the one that was named most exactly, then the one offered first.
 * Everything is sent in UTF-8, so a range that wants another charset matches nothing; other parameters are passed over.
 * @param offered in the order of our preference
 * @returns undefined: nothing that is offered is acceptable
 */
export function negotiate(accept: string, offered: readonly string[]): string | undefined {
  const ranges = weightedList(accept)
  if (ranges.length === 0) return offered[0]
  const rated = offered.flatMap((type, order) => {
    const match = bestMatch(ranges, type)
    return match && match.q > 0 ? [{ type, order, ...match }] : []
  })
  return rated.sort((a, b) => b.q - a.q || b.exactness - a.exactness || a.order - b.order)[0]?.type
}

function bestMatch(ranges: readonly Weighted[], type: string): { q: number; exactness: number } | undefined {
  return ranges
    .map((range) => ({ q: range.q, exactness: exactnessOf(range, type) }))
    .filter(({ exactness }) => exactness > 0)
    .sort((a, b) => b.exactness - a.exactness)[0]
}

/** 3: named; 2: `application/*`; 1: any; 0: not meant. */
function exactnessOf({ value, parameters }: Weighted, type: string): number {
  const charset = parameters.get('charset')
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) return 0
  if (value === type) return 3
  if (value === `${type.split('/')[0]}/*`) return 2
  return value === '*/*' ? 1 : 0
}
