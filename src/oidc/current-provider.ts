import type { Middleware } from 'koa'
import type { Provider } from 'oidc-provider'
import type { KeyRing } from '../keys/ring.ts'
import { createProvider, type ProviderDependencies } from './provider.ts'
import { keepPublicDocuments, type PublicDocument } from './public-documents.ts'

export interface CurrentProvider {
  get(): Provider
  /** Answers a request to one of the protocol's paths, in the context that it came with. */
  answer: Middleware
  /** Discovery and the keys of this moment, where somebody has asked for them before. */
  documentAt: (path: string) => PublicDocument | undefined
}

/**
 * The provider of this moment. When signing keys turn over, a new one takes its place between two requests; requests under
 * way finish with the one they began with.
 */
export function currentProvider(deps: ProviderDependencies, ring: KeyRing): CurrentProvider {
  const make = (keys = ring.current()) => {
    const provider = createProvider(deps, keys)
    const documentAt = keepPublicDocuments(provider)
    return { provider, documentAt, answer: mounted(provider) }
  }
  let current = make()
  ring.onChange((keys) => {
    current = make(keys)
  })
  return {
    get: () => current.provider,
    answer: (ctx, next) => current.answer(ctx, next),
    documentAt: (path) => current.documentAt(path),
  }
}

/**
 * The provider is an application of its own; here it is a middleware, which saves each token request a second context and a
 * second answering. It finds itself as the application of the context: its cookies are signed with its keys.
 */
function mounted(provider: Provider): Middleware {
  const koa = provider as unknown as { compose(middleware: unknown): Middleware }
  const answer = koa.compose(provider.middleware)
  return (ctx, next) => {
    const app = provider as unknown as typeof ctx.app
    ctx.app = ctx.request.app = ctx.response.app = app
    return answer(ctx, next)
  }
}
