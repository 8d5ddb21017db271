/**
 * Pages of lists: what a query asks for, and how an answer tells it. Both kinds of paging have the shapes that clients know:
 * `{ data, pagination: { next_cursor, has_more, limit }, links }` and `{ data, pagination: { page, limit, total_pages, … }, links }`.
 * A `limit` beyond the most is brought down to it; then `pagination.requested_limit` tells what was asked for.
 */
import { commonProblems, problemsOf, type InputError } from '../problem.ts'
import { selectionDigest, type Cursors, type CursorScope } from './cursor.ts'
import type { Found, ListRules, Operation, PageRequest } from './operation.ts'

const problem = problemsOf(commonProblems)

/** What a list may be asked beside its filters. */
export const LIST_PARAMETERS = ['limit', 'sort', 'include', 'cursor', 'page'] as const

/** page × limit: the database passes over everything before a page that is found by its number. */
export const DEEPEST_OFFSET = 10_000

export interface ListRequest {
  page: PageRequest
  paging: 'cursor' | 'offset'
  /** Of offset pages: from 1. */
  number: number
  /** Beyond the most, and brought down. */
  requestedLimit: number | undefined
  scope: CursorScope
}

export interface ListQuestion {
  operation: Operation
  rules: ListRules
  version: number
  /** Below the version, as it came. */
  path: string
  values: ReadonlyMap<string, string>
  /** Those of `values` that are filters. */
  filters: readonly (readonly [string, string])[]
  cursors: Cursors
}

/** @throws Problem 400 for a cursor that does not count; other faults are added to `errors` */
export function readListRequest(question: ListQuestion, errors: InputError[]): ListRequest | undefined {
  const { rules, values, operation, version, path, filters } = question
  const before = errors.length
  const { limit, requestedLimit } = readLimit(rules, values, errors)
  const sort = readSort(rules, values, errors)
  const paging = values.has('page') ? 'offset' : values.has('cursor') ? 'cursor' : rules.paging[0]!
  const number = readPage(values, limit, errors)
  const wantsTotal = readInclude(values, errors) || paging === 'offset'
  if (values.has('page') && values.has('cursor')) {
    errors.push({ parameter: 'cursor', detail: 'does not go together with page', code: 'conflict' })
  }
  if (errors.length > before) return undefined
  const scope = { operation: operation.id, version, sort, selection: selectionDigest(path, filters) }
  const after = readCursor(question.cursors, scope, values.get('cursor'))
  const sorting = { by: sort.replace(/^-/, ''), descending: sort.startsWith('-') }
  const offset = paging === 'offset' ? (number - 1) * limit : undefined
  return { page: { limit, sorting, after, offset, wantsTotal }, paging, number, requestedLimit, scope }
}

type Values = ReadonlyMap<string, string>

function readLimit({ defaultLimit = 20, mostLimit = 100 }: ListRules, values: Values, errors: InputError[]) {
  const text = values.get('limit')
  const asked = text === undefined ? defaultLimit : wholeNumber(text)
  if (asked === undefined) errors.push({ parameter: 'limit', detail: 'must be a whole number from 1', code: 'range' })
  const limit = Math.min(asked ?? defaultLimit, mostLimit)
  return { limit, requestedLimit: asked !== undefined && asked > limit ? asked : undefined }
}

function readSort({ sort, defaultSort }: ListRules, values: Values, errors: InputError[]): string {
  const asked = values.get('sort') ?? defaultSort
  if (sort.includes(asked.replace(/^-/, ''))) return asked
  const detail = `must be one of ${sort.flatMap((name) => [name, `-${name}`]).join(', ')}`
  errors.push({ parameter: 'sort', detail, code: 'value' })
  return defaultSort
}

function readPage(values: Values, limit: number, errors: InputError[]): number {
  const page = wholeNumber(values.get('page') ?? '1')
  if (page === undefined) errors.push({ parameter: 'page', detail: 'must be a whole number from 1', code: 'range' })
  else if (values.has('page') && page * limit > DEEPEST_OFFSET) {
    const detail = `page × limit must be at most ${DEEPEST_OFFSET}; a cursor goes as deep as you like`
    errors.push({ parameter: 'page', detail, code: 'range' })
  }
  return page ?? 1
}

function readInclude(values: Values, errors: InputError[]): boolean {
  const asked = values.get('include')
  if (asked === undefined) return false
  if (asked !== 'total_count') errors.push({ parameter: 'include', detail: 'must be total_count', code: 'value' })
  return true
}

/** An empty cursor begins at the first page: it chooses cursors on a list that has pages by number as well. */
function readCursor(cursors: Cursors, scope: CursorScope, text: string | undefined) {
  if (!text) return undefined
  const position = cursors.decode(text, scope)
  if (position === 'invalid') throw problem('cursor-invalid', { errors: [{ parameter: 'cursor', detail: 'does not count', code: 'invalid' }] }) // prettier-ignore
  if (position === 'mismatch') throw problem('cursor-mismatch', { errors: [{ parameter: 'cursor', detail: 'was made with other filters or another order', code: 'mismatch' }] }) // prettier-ignore
  return position
}

/** From 1; what is more than JavaScript counts without loss is as good as its most. */
function wholeNumber(text: string): number | undefined {
  const number = /^\d+$/.test(text) ? Math.min(Number(text), Number.MAX_SAFE_INTEGER) : 0
  return number >= 1 ? number : undefined
}

export interface Page {
  pagination: Record<string, unknown>
  /** Those that there are: `self`, `first`, `prev`, `next`, `last`. */
  links: Record<string, string>
}

/**
 * @param urlWith the list's own URL, with these parameters changed or (undefined) left out
 */
export function describePage(
  request: ListRequest,
  found: Found,
  cursors: Cursors,
  urlWith: (change: Record<string, string | undefined>) => string,
): Page {
  const requested = request.requestedLimit === undefined ? {} : { requested_limit: request.requestedLimit }
  const { pagination, links } =
    request.paging === 'cursor' ? cursorPage(request, found, cursors) : offsetPage(request, found)
  return {
    pagination: { ...pagination, ...requested },
    links: Object.fromEntries(
      Object.entries({ self: {}, ...links }).flatMap(([rel, change]) => (change ? [[rel, urlWith(change)]] : [])),
    ),
  }
}

type Changes = Record<string, Record<string, string | undefined> | undefined>

function cursorPage({ page, scope }: ListRequest, { next, total }: Found, cursors: Cursors) {
  const cursor = next ? cursors.encode(scope, next) : null
  const links: Changes = { first: { cursor: undefined }, next: cursor === null ? undefined : { cursor } }
  const counted = page.wantsTotal ? { total_items: total ?? null } : {}
  return { pagination: { next_cursor: cursor, has_more: cursor !== null, limit: page.limit, ...counted }, links }
}

function offsetPage({ page: { limit }, number }: ListRequest, { total }: Found) {
  if (total === undefined) throw new Error('a list that is paged by number must tell how many there are')
  const last = Math.max(1, Math.ceil(total / limit))
  const to = (target: number) => (target * limit > DEEPEST_OFFSET ? undefined : { page: String(target) })
  const links: Changes = {
    first: to(1),
    prev: number > 1 ? to(Math.min(number - 1, last)) : undefined,
    next: number < last ? to(number + 1) : undefined,
    last: to(last),
  }
  const pagination = {
    page: number,
    limit,
    total_pages: Math.ceil(total / limit),
    total_items: total,
    has_next: number < last,
    has_prev: number > 1,
  }
  return { pagination, links }
}
