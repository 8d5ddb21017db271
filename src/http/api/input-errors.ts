/** What a schema finds wrong with an input, as a problem tells it: where, what, and a code for programs. */
import type { z } from 'zod'
import type { InputError } from '../problem.ts'

/** An answer stays readable, and a hostile body can't make it long. */
export const MOST_ERRORS = 50

const LONGEST_DETAIL = 300

/** RFC 6901 §6: `~` and `/` escaped, then percent-encoded as a fragment. */
export function pointerTo(path: readonly PropertyKey[]): string {
  const tokens = path.map((key) =>
    encodeURIComponent(String(key).toWellFormed().replace(/~/g, '~0').replace(/\//g, '~1')),
  )
  return ['#', ...tokens].join('/')
}

/** Of a body that its schema refused. */
export function bodyErrors(issues: readonly z.core.$ZodIssue[], body: unknown): InputError[] {
  return issues
    .flatMap((issue) => toErrors(issue, body, (path) => ({ pointer: pointerTo(path) })))
    .slice(0, MOST_ERRORS)
}

/** Of a query that its schema refused. */
export function queryErrors(issues: readonly z.core.$ZodIssue[], query: unknown): InputError[] {
  const place = (path: readonly PropertyKey[]) => (path.length > 0 ? { parameter: String(path[0]).toWellFormed() } : {})
  return issues.flatMap((issue) => toErrors(issue, query, place)).slice(0, MOST_ERRORS)
}

type Place = (path: readonly PropertyKey[]) => Pick<InputError, 'pointer' | 'parameter'>

function toErrors(issue: z.core.$ZodIssue, input: unknown, place: Place): InputError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ ...place([...issue.path, key]), detail: 'is not known', code: 'unknown' }))
  }
  const missing = issue.path.length > 0 && isMissing(input, issue.path)
  const detail = missing && /^Invalid (?:input|option)/.test(issue.message) ? 'is required' : issue.message
  const code = missing ? 'missing' : (CODES[issue.code] ?? 'invalid')
  return [{ ...place(issue.path), detail: detail.toWellFormed().slice(0, LONGEST_DETAIL), code }]
}

const CODES: Readonly<Record<string, string>> = {
  invalid_type: 'type',
  invalid_format: 'format',
  invalid_value: 'value',
  invalid_union: 'type',
  not_multiple_of: 'range',
  too_big: 'range',
  too_small: 'range',
}

function isMissing(input: unknown, path: readonly PropertyKey[]): boolean {
  let parent: unknown = input
  for (const key of path.slice(0, -1)) parent = (parent as Record<PropertyKey, unknown> | undefined)?.[key]
  return typeof parent === 'object' && parent !== null && !Object.hasOwn(parent, path.at(-1)!)
}
