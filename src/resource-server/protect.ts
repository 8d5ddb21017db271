/** Koa middleware, typed by shape so that this package needs no Koa. */
import { authenticate } from './authenticate.ts'
import type { TokenVerifier, VerifyOptions } from './verifier.ts'

/** As much of a Koa context as {@link protect} touches. */
export interface ProtectedContext {
  readonly req: { readonly rawHeaders: readonly string[] }
  state: { [name: string]: any }
}

/**
 * Lets a request pass only with a token that covers `scope`, and puts it into `ctx.state.token`. Throws `TokenError`, which
 * Koa answers with its status and challenge, or which the application's own error middleware renders.
 */
export function protect(verifier: TokenVerifier, options: VerifyOptions = {}) {
  return async (ctx: ProtectedContext, next: () => Promise<unknown>): Promise<void> => {
    ctx.state.token = await authenticate(ctx.req.rawHeaders, verifier, options)
    await next()
  }
}
