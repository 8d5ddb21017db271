/** What a request asks for, read and checked: path, query, page, fields and content, with all that is wrong told at once. */
import type { Context } from 'koa'
import type { z } from 'zod'
import { commonProblems, problemsOf, type InputError } from '../problem.ts'
import type { Cursors } from './cursor.ts'
import type { Endpoint } from './endpoint.ts'
import { readFields, type Fields } from './fields.ts'
import { MOST_ERRORS, queryErrors } from './input-errors.ts'
import { readListRequest, type ListRequest } from './lists.ts'
import type { PageRequest } from './operation.ts'
import type { Query } from './query.ts'
import { readBody, type RequestBody } from './request-body.ts'

const problem = problemsOf(commonProblems)

export interface CheckedRequest {
  params: unknown
  query: unknown
  /** As they came. */
  values: ReadonlyMap<string, string>
  page: PageRequest
  list: ListRequest | undefined
  fields: Fields | undefined
  body: RequestBody
}

export interface RequestParts {
  endpoint: Endpoint
  /** Below the version, as it came. */
  path: string
  params: Record<string, string>
  query: Query
  cursors: Cursors | undefined
}

/** Of what is no list. */
const NO_PAGE: PageRequest = { limit: 1, sorting: { by: 'id', descending: false }, wantsTotal: false }

/** @throws Problem 400, 404, 413, 415 */
export async function readRequest(ctx: Context, parts: RequestParts): Promise<CheckedRequest> {
  const { endpoint, query } = parts
  const { operation } = endpoint
  const params = operation.params ? operation.params.safeParse(parts.params) : { success: true as const, data: parts.params } // prettier-ignore
  if (!params.success) throw problem('not-found')
  const body = await readBody(ctx, operation)
  const known = [...query.values].filter(([name]) => isKnown(endpoint, name))
  const filters = known.filter(([name]) => !endpoint.reserved.has(name))
  const errors = [...query.errors, ...unknownParameters(endpoint, query)]
  const checked = checkFilters(endpoint, filters, errors)
  const fields = fieldsOf(endpoint, query, errors)
  errors.push(...body.errors)
  const list = listOf(parts, filters, errors)
  if (errors.length > 0) throw problem('invalid-request', { errors: errors.slice(0, MOST_ERRORS) })
  return {
    params: params.data,
    query: checked,
    values: new Map(known.filter(([name]) => name !== 'version')),
    page: list?.page ?? NO_PAGE,
    list,
    fields,
    body,
  }
}

function isKnown({ parameters }: Endpoint, name: string): boolean {
  return parameters?.has(name) ?? true
}

function unknownParameters(endpoint: Endpoint, { values }: Query): InputError[] {
  return [...values.keys()]
    .filter((name) => !isKnown(endpoint, name))
    .map((name) => ({ parameter: name, detail: 'is not known', code: 'unknown' }))
}

function checkFilters({ operation }: Endpoint, filters: readonly [string, string][], errors: InputError[]): unknown {
  const given: unknown = Object.fromEntries(filters)
  const schema = operation.query as z.ZodType | undefined
  if (!schema) return given
  const result = schema.safeParse(given)
  if (result.success) return result.data
  errors.push(...queryErrors(result.error.issues, given))
  return undefined
}

function fieldsOf({ fields: names }: Endpoint, { values }: Query, errors: InputError[]): Fields | undefined {
  const text = values.get('fields')
  if (text === undefined || !names) return undefined
  const { fields, unknown } = readFields(text, names)
  if (fields) return fields
  const [first = ''] = unknown
  const detail = `${first === '' ? 'an empty name' : first} is not a field; there is ${[...names].join(', ')}`
  errors.push({ parameter: 'fields', detail: detail.slice(0, 500), code: 'value' })
  return undefined
}

function listOf(parts: RequestParts, filters: readonly [string, string][], errors: InputError[]) {
  const { endpoint, path, query, cursors } = parts
  const { operation, version } = endpoint
  const { list: rules } = operation
  if (!rules || !cursors) return undefined
  return readListRequest({ operation, rules, version, path, values: query.values, filters, cursors }, errors)
}
