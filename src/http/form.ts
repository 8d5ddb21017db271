/** Forms posted by our own pages: small, flat, from our own origin. */
import type { Context } from 'koa'

const LIMIT = 16 * 1024

/** A form that can't be accepted, with the status that says why. */
export class FormError extends Error {
  override name = 'FormError'
  readonly status: 400 | 403 | 408 | 413 | 415

  constructor(status: FormError['status'], message: string) {
    super(message)
    this.status = status
  }
}

/**
 * Reads an application/x-www-form-urlencoded body: at most 16 KiB, each field once, no NUL.
 * @throws FormError
 */
export async function readForm(ctx: Context): Promise<Record<string, string>> {
  if (!ctx.is('application/x-www-form-urlencoded')) throw new FormError(415, 'send application/x-www-form-urlencoded')
  const fields: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of new URLSearchParams(await readText(ctx))) {
    if (name in fields) throw new FormError(400, `the field ${JSON.stringify(name.slice(0, 50))} was sent twice`)
    if (value.includes('\0')) throw new FormError(400, 'a field holds a NUL character')
    fields[name] = value
  }
  return fields
}

async function readText(ctx: Context): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  // The connection must outlive a refusal, or nobody would read it.
  const body = ctx.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (size > LIMIT) throw new FormError(413, 'the form is too large')
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof FormError ? error : new FormError(400, 'the form broke off')
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Refuses a form that another site's page sent. Fetch metadata tells in every current browser; the Origin header is the
 * fallback. The second lock beside the token in the form.
 * @throws FormError
 */
export function requireSameOrigin(ctx: Context, origin: string): void {
  const site = ctx.get('sec-fetch-site')
  const from = ctx.get('origin')
  // A page under `Referrer-Policy: no-referrer` posts with `Origin: null`; fetch metadata still tells where from.
  const foreign = site ? site !== 'same-origin' : from !== '' && from !== 'null' && from !== origin
  if (foreign) throw new FormError(403, 'the form was sent by another site')
}
