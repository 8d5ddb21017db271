/** Koa middleware, typed by shape so that this package needs no Koa. */
import { authenticate } from './authenticate.ts'
import type { VerifyOptions } from './needs.ts'
import type { TokenVerifier } from './verifier.ts'

/** As much of a Koa context as {@link protect} touches. */
export interface ProtectedContext {
  readonly req: {
    readonly rawHeaders: readonly string[]
    readonly method?: string | undefined
    readonly url?: string | undefined
  }
  /** The path and query as they came, before a router took a part away. */
  readonly originalUrl?: string
  state: { [name: string]: any }
  set?(name: string, value: string): void
}

/**
 * Lets a request pass only with a token that covers `scope`, and puts it into `ctx.state.token`. Throws `TokenError`, which
 * Koa answers with its status and challenge, or which the application's own error middleware renders.
 */
export function protect(verifier: TokenVerifier, options: VerifyOptions = {}) {
  return async (ctx: ProtectedContext, next: () => Promise<unknown>): Promise<void> => {
    const { method, url, rawHeaders } = ctx.req
    const token = await authenticate(rawHeaders, verifier, { ...options, method, target: ctx.originalUrl ?? url })
    if (token.nextNonce !== undefined) ctx.set?.('DPoP-Nonce', token.nextNonce)
    ctx.state.token = token
    await next()
  }
}
