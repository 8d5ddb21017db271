/** The content of a request: the right media type, bounded, strict JSON, checked against its schema. */
import type { Context } from 'koa'
import { commonProblems, problemsOf, type InputError } from '../problem.ts'
import { bodyErrors } from './input-errors.ts'
import { parseJson } from './json.ts'
import type { BodyRules, Method, Operation } from './operation.ts'

const problem = problemsOf(commonProblems)

const MOST_BYTES = 64 * 1024

export interface RequestBody {
  /** As the schema returned it. */
  value: unknown
  /** As it was sent, for fingerprints. */
  raw: unknown
  /** Without parameters; undefined without content. */
  mediaType: string | undefined
  errors: InputError[]
}

const NOTHING: RequestBody = { value: undefined, raw: undefined, mediaType: undefined, errors: [] }

export function bodyTypes({ method, body }: Operation): readonly string[] {
  if (!body) return []
  return (
    body.mediaTypes ??
    (method === 'PATCH' ? ['application/merge-patch+json', 'application/json'] : ['application/json'])
  )
}

/** `Accept-Post` (W3C LDP §7.1.2) and `Accept-Patch` (RFC 5789 §3.1): the media types that a path takes. */
export function acceptHeaders(operations: ReadonlyMap<Method, Operation>): Record<string, string> {
  const [post, patch] = [operations.get('POST'), operations.get('PATCH')]
  return {
    ...(post?.body && { 'accept-post': bodyTypes(post).join(', ') }),
    ...(patch?.body && { 'accept-patch': bodyTypes(patch).join(', ') }),
  }
}

/** @throws Problem 415, 413, 400 for what is no JSON; what the schema refuses stands in `errors` */
export async function readBody(ctx: Context, operation: Operation): Promise<RequestBody> {
  const { body } = operation
  if (!hasContent(ctx)) {
    if (!body || body.optional) return NOTHING
    return { ...NOTHING, errors: [{ pointer: '#', detail: 'is required', code: 'missing' }] }
  }
  if (!body) return refuseContent(ctx)
  const mediaType = acceptedType(ctx, operation)
  const bytes = await readBytes(ctx, body.mostBytes ?? MOST_BYTES)
  if (bytes.length === 0 && body.optional) return NOTHING
  return { ...check(parse(bytes), body), mediaType }
}

/** RFC 9112 §6.3: content is there when its length is told, or when it comes in chunks. */
function hasContent(ctx: Context): boolean {
  return ctx.req.headers['transfer-encoding'] !== undefined || (ctx.request.length ?? 0) > 0
}

/** What somebody sent in the belief that it counts is not passed over in silence. */
function refuseContent(ctx: Context): RequestBody {
  if (ctx.method === 'GET' || ctx.method === 'HEAD') return NOTHING
  throw problem('invalid-request', { errors: [{ pointer: '#', detail: 'must not be sent: there is nothing to say here', code: 'unknown' }] }) // prettier-ignore
}

function acceptedType(ctx: Context, operation: Operation): string {
  const types = bodyTypes(operation)
  const [type = '', ...parameters] = ctx.get('content-type').split(';').map((part) => part.trim().toLowerCase()) // prettier-ignore
  const utf8 = parameters.every((parameter) => /^(?:charset="?utf-8"?)?$/.test(parameter))
  const coding = ctx.get('content-encoding').toLowerCase()
  if (coding !== '' && coding !== 'identity') {
    // RFC 7694 §3
    throw problem('unsupported-media-type', { detail: 'Send the content as it is', headers: { 'accept-encoding': 'identity' } }) // prettier-ignore
  }
  if (types.includes(type) && utf8) return type
  const header = operation.method === 'PATCH' ? 'accept-patch' : operation.method === 'POST' ? 'accept-post' : undefined
  throw problem('unsupported-media-type', {
    detail: `Send ${types.join(' or ')} in UTF-8`,
    ...(header && { headers: { [header]: types.join(', ') } }),
  })
}

async function readBytes(ctx: Context, most: number): Promise<Buffer> {
  if ((ctx.request.length ?? 0) > most) throw tooLarge(most)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > most) throw tooLarge(most)
      chunks.push(chunk)
    }
  } catch (error) {
    if (ctx.req.destroyed && !ctx.req.complete && size <= most) {
      throw problem('invalid-request', { detail: 'The request ended before its content', cause: error })
    }
    throw error
  }
  return Buffer.concat(chunks)
}

function tooLarge(most: number) {
  // The rest is never read, so the connection can't be used again.
  return problem('content-too-large', { detail: `At most ${most} bytes`, headers: { connection: 'close' } })
}

function parse(bytes: Buffer) {
  try {
    return parseJson(bytes)
  } catch {
    throw problem('invalid-request', { errors: [{ pointer: '#', detail: 'is not JSON in UTF-8', code: 'format' }] })
  }
}

function check({ value, errors }: ReturnType<typeof parseJson>, { schema }: BodyRules<unknown>) {
  if (errors.length > 0) return { value: undefined, raw: value, errors }
  const result = schema.safeParse(value)
  if (result.success) return { value: result.data, raw: value, errors }
  return { value: undefined, raw: value, errors: bodyErrors(result.error.issues, value) }
}
