/** Reads a JSON request body: bounded, strictly UTF-8, checked against a schema. */
import type { Context } from 'koa'
import type { z } from 'zod'
import type { InputError } from '../http/problem.ts'
import { problem } from './problems.ts'

const MAX_BYTES = 16 * 1024

/** @throws Problem 400, 413 or 415 */
export async function readJson<T>(ctx: Context, schema: z.ZodType<T>): Promise<T> {
  assertJson(ctx.get('content-type'))
  const result = schema.safeParse(parse(await readBytes(ctx)))
  if (result.success) return result.data
  throw problem('invalid-request', { errors: result.error.issues.flatMap(inputErrors) })
}

function assertJson(contentType: string): void {
  if (/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(contentType)) return
  throw problem('unsupported-media-type', {
    detail: 'Send application/json in UTF-8',
    headers: { 'accept-post': 'application/json' },
  })
}

async function readBytes(ctx: Context): Promise<Buffer> {
  if (ctx.request.length !== undefined && ctx.request.length > MAX_BYTES) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_BYTES) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (error) {
    if (ctx.req.destroyed && !ctx.req.complete && size <= MAX_BYTES) {
      throw problem('invalid-request', { detail: 'The request ended before its content', cause: error })
    }
    throw error
  }
  return Buffer.concat(chunks)
}

function tooLarge() {
  // The rest is never read, so the connection can't be used again.
  return problem('content-too-large', { detail: `At most ${MAX_BYTES} bytes`, headers: { connection: 'close' } })
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw problem('invalid-request', { detail: 'The content is not JSON in UTF-8' })
  }
}

function inputErrors(issue: z.core.$ZodIssue): InputError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: pointer([...issue.path, key]), detail: 'is not known' }))
  }
  return [{ pointer: pointer(issue.path), detail: issue.message }]
}

/** RFC 6901 §6: `~` and `/` escaped, then percent-encoded as a fragment. */
function pointer(path: readonly PropertyKey[]): string {
  const tokens = path.map((key) =>
    encodeURIComponent(String(key).toWellFormed().replace(/~/g, '~0').replace(/\//g, '~1')),
  )
  return ['#', ...tokens].join('/')
}
