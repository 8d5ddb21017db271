import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import { registryId } from '../registry/clients/metadata-url.ts'
import type { Logger } from '../telemetry/logger.ts'
import { answerBusy } from './busy.ts'

type ProtocolError = Error & { error?: string; error_description?: string; error_detail?: string }

const REFUSALS = [
  'introspection.error',
  'revocation.error',
  'pushed_authorization_request.error',
  'authorization.error',
  'device_authorization.error',
  'code_verification.error',
  'device_resume.error',
  'grant.error',
  'userinfo.error',
  'end_session.error',
  'end_session_confirm.error',
]

/** Tokens that were just given out at the token endpoint. */
export interface IssuedTokens {
  clientId: string
  grantType: string
  /** Whom they act for; undefined for a service that acts for itself. */
  userId: string | undefined
}

/** Tells of every success of the token endpoint, while it is being answered: the listener must only take note. */
export function reportTokens(provider: Provider, onIssued: (tokens: IssuedTokens) => void): void {
  provider.on('grant.success', (ctx) => {
    const { client, params, entities } = ctx.oidc
    const grantType = params?.grant_type
    if (!client || typeof grantType !== 'string') return
    onIssued({ clientId: registryId(client.clientId), grantType, userId: entities.Account?.accountId })
  })
}

/**
 * Refusals are facts (info); what the library calls server_error is a bug of ours and keeps its stack, unless the database was
 * out of reach or busy: that passes, and the client hears so.
 */
export function reportErrors(provider: Provider, log: Logger): void {
  const events = provider as unknown as {
    on(event: string, listener: (ctx: KoaContextWithOIDC, error: ProtocolError) => void): void
  }
  for (const event of REFUSALS) {
    events.on(event, (ctx, { error, error_description, error_detail }) => {
      const clientId = ctx.oidc.client?.clientId
      const traceId = ctx.response.get('x-request-id')
      log.info({ event, error, error_description, error_detail, client_id: clientId, trace_id: traceId }, 'refused')
    })
  }
  // Without a listener the library prints to standard error. What no answer could be given to any more is the connection's
  // end, which the server itself reports.
  const app = provider as unknown as {
    on(event: 'error', listener: (error: Error & { headerSent?: boolean }) => void): void
  }
  app.on('error', (err) => {
    if (!err.headerSent) log.error({ err }, 'internal error')
  })
  events.on('server_error', (ctx, error) => {
    const facts = { err: error, route: ctx.oidc?.route, trace_id: ctx.response.get('x-request-id') }
    if (answerBusy(ctx, error)) log.warn(facts, 'not available for now')
    else log.error(facts, 'internal error')
  })
}
