import type { Context } from 'koa'
import { parseJson } from '../http/api/json.ts'
import { Refusal } from './refusal.ts'

const MOST_BYTES = 16 * 1024

/**
 * The metadata that an app sends: JSON, at most 16 KiB, no name twice.
 * @throws Refusal
 */
export async function readJson(ctx: Context): Promise<unknown> {
  if (!ctx.is('application/json')) throw bad('send application/json')
  const bytes = await readBytes(ctx)
  try {
    const { value, errors } = parseJson(bytes)
    const [error] = errors
    if (error) throw bad(`${error.pointer} ${error.detail}`)
    return value
  } catch (error) {
    throw error instanceof Refusal ? error : bad('the body is not JSON in UTF-8')
  }
}

async function readBytes(ctx: Context): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  // The connection must outlive a refusal, or nobody would read it.
  const body = ctx.req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (size > MOST_BYTES) {
        const headers = { connection: 'close' }
        throw new Refusal(413, 'invalid_client_metadata', `send at most ${MOST_BYTES} bytes`, headers)
      }
      chunks.push(chunk)
    }
  } catch (error) {
    throw error instanceof Refusal ? error : bad('the body broke off')
  }
  return Buffer.concat(chunks)
}

function bad(description: string): Refusal {
  return new Refusal(400, 'invalid_client_metadata', description)
}
