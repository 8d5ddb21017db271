import type { Found, PageRequest } from '../http/api/operation.ts'
import type { Position } from '../lib/keyset.ts'

/**
 * A page of things that are few and read as a whole: in the order asked for, ties settled by the id, from after the position.
 * @param valueOf what a thing is sorted by, as text that sorts like the value (ISO 8601 times do)
 */
export function pageOf<Item extends { id: string }>(
  items: readonly Item[],
  { sorting, after, offset = 0, limit, wantsTotal }: PageRequest,
  valueOf: (item: Item, by: string) => string,
): Omit<Found, 'items'> & { items: Item[] } {
  const sign = sorting.descending ? -1 : 1
  const positionOf = (item: Item): Position => ({ value: valueOf(item, sorting.by), id: item.id })
  const sorted = items.toSorted((a, b) => sign * compare(positionOf(a), positionOf(b)))
  const rest = (after ? sorted.filter((item) => sign * compare(positionOf(item), after) > 0) : sorted).slice(offset)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  return {
    items: page,
    ...(rest.length > limit && last && { next: positionOf(last) }),
    ...(wantsTotal && { total: items.length }),
  }
}

function compare(a: Position, b: Position): number {
  const [left, right] = a.value === b.value ? [a.id, b.id] : [a.value ?? '', b.value ?? '']
  if (left === right) return 0
  return left < right ? -1 : 1
}
