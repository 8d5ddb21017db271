/**
 * Conditional requests (RFC 9110 §13): changes that only count for what the caller has seen, and reads that only answer what
 * the caller has not. Evaluated here alone: Koa's own freshness answers 200 to a client that sends `Cache-Control: no-cache`
 * along with its tag, as `fetch` does.
 */
import type { Context } from 'koa'
import { commonProblems, problemsOf } from '../problem.ts'
import { formatTag, parseTags, sameTag, versionOf, type EntityTag } from './etag.ts'
import type { Operation } from './operation.ts'

const problem = problemsOf(commonProblems)

/** @returns undefined without the header. @throws Problem 400 */
function tagsOf(ctx: Context, header: 'If-Match' | 'If-None-Match'): '*' | EntityTag[] | undefined {
  const text = ctx.get(header)
  if (text === '') return undefined
  const tags = parseTags(text)
  if (tags) return tags
  const detail = 'must be * or entity tags in quotes, such as "1-0a1b2c3d"'
  throw problem('invalid-request', { errors: [{ header, detail, code: 'format' }] })
}

export interface Current {
  /** Undefined: there is no such thing. */
  version: number | undefined
  tag: string | undefined
}

/**
 * Holds a change against its precondition.
 * @returns the version that the change is for; undefined when any is right
 * @throws Problem 404, 412 with the current tag, 428
 */
export function checkChange(ctx: Context, operation: Operation, { version, tag }: Current): number | undefined {
  const [match, noneMatch] = [tagsOf(ctx, 'If-Match'), tagsOf(ctx, 'If-None-Match')]
  const failed = () => problem('precondition-failed', tag ? { headers: { etag: tag } } : {})
  const mayCreate = operation.method === 'PUT' && operation.responses[201] !== undefined
  if (version === undefined) {
    // §13.2.1: preconditions don't count where the answer would not have been a success anyway.
    if (!mayCreate) throw problem('not-found')
    if (match) throw failed()
    if (!noneMatch) throw required('Send If-None-Match: * to create it')
    return undefined
  }
  if (noneMatch && (noneMatch === '*' || noneMatch.some((one) => versionOf({ ...one, weak: false }) === version))) {
    throw failed()
  }
  if (!match) throw required('Send the ETag of what you read in If-Match')
  if (match === '*') return undefined
  // §13.1.1: strong comparison, so a weak tag never matches.
  if (!match.some((one) => versionOf(one) === version)) throw failed()
  return version
}

function required(detail: string) {
  return problem('precondition-required', { detail, errors: [{ header: 'If-Match', detail: 'is required', code: 'missing' }] }) // prettier-ignore
}

/**
 * For changes of what has no version: whoever makes theirs depend on a tag must not be told that all is well.
 * @throws Problem 412
 */
export function refuseCondition(ctx: Context): void {
  const match = tagsOf(ctx, 'If-Match')
  if (match && match !== '*')
    throw problem('precondition-failed', { detail: 'Nothing here has an entity tag to match' })
}

/**
 * Holds what was read against what the caller has (§13.2.2).
 * @returns the caller's tag when it is still good (304)
 * @throws Problem 412
 */
export function checkRead(ctx: Context, tag: string): string | undefined {
  const match = tagsOf(ctx, 'If-Match')
  const isStrong = !tag.startsWith('W/')
  if (match && match !== '*' && !match.some((one) => isStrong && !one.weak && sameTag(one, tag))) {
    throw problem('precondition-failed', { headers: { etag: tag } })
  }
  const noneMatch = tagsOf(ctx, 'If-None-Match')
  if (!noneMatch) return undefined
  if (noneMatch === '*') return tag
  const same = noneMatch.find((one) => sameTag(one, tag))
  // With its coding, so that a cache finds the answer that it has.
  return same && formatTag({ weak: !isStrong, opaque: same.opaque })
}
