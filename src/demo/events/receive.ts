/** `POST /webhooks/grantry`: where the authorization server delivers events (Standard Webhooks 1.0). */
import { Router } from '@koa/router'
import type { Context } from 'koa'
import type { IncomingHttpHeaders } from 'node:http'
import { z } from 'zod'
import { parseJson } from '../../http/api/json.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { problem } from '../problems.ts'
import type { AccountEvent, Db } from './event.ts'
import { keepEvent } from './keep.ts'

export const WEBHOOK_PATH = '/webhooks/grantry'

/** Whether the bytes, exactly as they came, were signed by whom we share the secret with, a moment ago. */
export type VerifyDelivery = (body: Buffer, headers: IncomingHttpHeaders) => boolean

export interface Receiver {
  db: Db
  log: Logger
  verify: VerifyDelivery
}

/** Events are thin; nobody who is meant to deliver here sends more. */
const MOST_BYTES = 64 * 1024

const id = z.string().min(1).max(255)

/** Only what is kept; whatever else an event may say one day is passed over. */
const deliverySchema = z.object({
  type: id,
  timestamp: z.iso.datetime({ offset: true }),
  data: z.object({
    at: z.iso.datetime({ offset: true }).optional(),
    user_id: id.nullish(),
    subject: id.nullish(),
    client_id: id.nullish(),
    data: z.record(z.string(), z.unknown()).default({}),
  }),
})

export function webhookRoutes({ db, log, verify }: Receiver): Router {
  const router = new Router()
  router.post(WEBHOOK_PATH, async (ctx) => {
    const body = await readBytes(ctx)
    // Before anything is parsed: what a stranger sends is bytes, and stays that.
    if (!verify(body, ctx.req.headers)) throw problem('webhook-not-verified')
    const event = readEvent(ctx.get('webhook-id'), body)
    // What is about nobody would only push out what is about somebody.
    const isNew = event.userId !== null && (await keepEvent(db, { ...event, userId: event.userId }))
    log.debug({ event: event.id, type: event.type, kept: isNew }, 'an event was delivered')
    ctx.status = 204
  })
  return router
}

/** @throws Problem 400 */
function readEvent(deliveryId: string, body: Buffer): Omit<AccountEvent, 'userId'> & { userId: string | null } {
  const { success, data } = deliverySchema.safeParse(strictJson(body))
  if (!success || !id.safeParse(deliveryId).success) {
    throw problem('invalid-request', { detail: 'The delivery is no event in JSON' })
  }
  const { type, timestamp, data: event } = data
  return {
    id: deliveryId,
    type,
    at: new Date(event.at ?? timestamp),
    userId: event.user_id ?? null,
    subject: event.subject ?? null,
    clientId: event.client_id ?? null,
    data: event.data,
  }
}

/** @returns undefined for what is no JSON that could be kept */
function strictJson(body: Buffer): unknown {
  try {
    const { value, errors } = parseJson(body)
    return errors.length > 0 ? undefined : value
  } catch {
    return undefined
  }
}

/** @throws Problem 413, 400 */
async function readBytes(ctx: Context): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  if ((ctx.request.length ?? 0) > MOST_BYTES) throw tooLarge()
  try {
    for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MOST_BYTES) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (error) {
    if (ctx.req.destroyed && !ctx.req.complete && size <= MOST_BYTES) throw problem('invalid-request', { cause: error })
    throw error
  }
  return Buffer.concat(chunks)
}

function tooLarge() {
  // The rest is never read, so the connection can't be used again.
  return problem('content-too-large', { detail: `At most ${MOST_BYTES} bytes`, headers: { connection: 'close' } })
}
