/**
 * `registration` owns the endpoint where apps register themselves (RFC 7591): who may, how many, and what is made of what
 * they say. It writes clients by the registry's own verb, into its own tables; it knows nothing of the protocol library,
 * whose registration would keep secrets as they are, hand out tokens to change the client with, and check by other rules.
 */
import type { Context, Middleware } from 'koa'
import type { Database } from '../database/connect.ts'
import { passingFault, retryAfter } from '../database/passing-fault.ts'
import { requestOrigin } from '../lib/actor.ts'
import { newId } from '../lib/ids.ts'
import { createClient } from '../registry/clients/create.ts'
import { hasRoomForClient } from '../registry/clients/unused.ts'
import { RegistryError } from '../registry/registry-error.ts'
import { claimRegistrationToken } from '../registry/registration-tokens/queries.ts'
import { answerOf } from './answer.ts'
import { readJson } from './body.ts'
import { isFault, readMetadata, type RegistrationInput } from './metadata.ts'
import { Refusal } from './refusal.ts'

/** `token`: only with an initial access token; `off`: there is no such endpoint. */
export type RegistrationMode = 'open' | 'token' | 'off'

export interface RegistrationOptions {
  db: Pick<Database, 'knex'>
  path: string
  mode: RegistrationMode
  /** Self-registered clients that the server has room for. */
  mostClients: number
}

const METHODS = 'POST, OPTIONS'

/** Answers `POST` to the path. In mode `off` it answers nothing, as if the path did not exist. */
export function createRegistration({ db, path, mode, mostClients }: RegistrationOptions): Middleware {
  async function register(ctx: Context): Promise<object> {
    const presented = bearerOf(ctx, mode)
    const { value, input } = await inputOf(ctx)
    return db.knex.transaction(async (trx) => {
      // The token is given back when anything below refuses. Without it there is nothing to learn of how full we are.
      const by = presented === undefined ? undefined : await claimRegistrationToken(trx, presented)
      if (presented !== undefined && by === undefined) throw wrongToken()
      if (!(await hasRoomForClient(trx, mostClients))) throw full()
      const id = newId('cli')
      const traceId = String(ctx.state.traceId)
      const actor = requestOrigin(by ?? id, 'api', { address: ctx.ip, userAgent: ctx.get('user-agent'), traceId })
      const { client, secret } = await createClient(trx, { ...input, id, selfRegistered: true, actor })
      return answerOf(client, secret, value)
    })
  }

  return async (ctx, next) => {
    if (mode === 'off' || ctx.path !== path) return next()
    ctx.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' })
    if (ctx.method !== 'POST') {
      ctx.set('Allow', METHODS)
      ctx.status = ctx.method === 'OPTIONS' ? 204 : 405
      if (ctx.status === 405) ctx.body = { error: 'invalid_request', error_description: 'use POST here' }
      return undefined
    }
    try {
      const body = await register(ctx)
      ctx.status = 201
      ctx.body = body
    } catch (error) {
      const refusal = refusalOf(error)
      ctx.set(refusal.headers)
      ctx.status = refusal.status
      ctx.body = refusal.body
    }
    return undefined
  }
}

async function inputOf(ctx: Context): Promise<{ value: object; input: RegistrationInput }> {
  const value = await readJson(ctx)
  const read = readMetadata(value)
  if (isFault(read)) throw new Refusal(400, read.error, read.description)
  return { value: value as object, input: read }
}

/** RFC 6750 §2.1, in the header alone: an initial access token in a body or query would end in logs. */
function bearerOf(ctx: Context, mode: RegistrationMode): string | undefined {
  const header = ctx.get('authorization')
  if (header === '') {
    if (mode === 'open') return undefined
    // RFC 6750 §3.1: to a request without credentials no error is told.
    throw new Refusal(401, 'invalid_token', 'registration needs an initial access token', {
      'www-authenticate': 'Bearer realm="registration"',
    })
  }
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(header) ?? []
  if (token === undefined) throw wrongToken()
  return token
}

function wrongToken(): Refusal {
  return new Refusal(401, 'invalid_token', 'the initial access token is not good (any more)', {
    'www-authenticate': 'Bearer realm="registration", error="invalid_token"',
  })
}

function full(): Refusal {
  return new Refusal(503, 'temporarily_unavailable', 'there is no room for more clients now', { 'retry-after': '3600' })
}

/** What the registry refuses is the app's mistake, and a database that is out of reach passes; everything else is ours and goes on. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const passing = passingFault(error)
  if (passing) return new Refusal(503, 'temporarily_unavailable', 'not available at this moment; the same request may succeed later', { 'retry-after': retryAfter[passing] }) // prettier-ignore
  if (!(error instanceof RegistryError) || error.code !== 'invalid') throw error
  const isRedirect = error.field === 'redirect_uris' || error.field === 'allowed_origins'
  return new Refusal(400, isRedirect ? 'invalid_redirect_uri' : 'invalid_client_metadata', error.message)
}
