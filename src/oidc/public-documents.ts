import type { Middleware } from 'koa'
import type { Provider } from 'oidc-provider'
import { cacheablePaths, onlyAt } from './routes.ts'

/** A document as it is sent. */
export interface PublicDocument {
  readonly type: string
  readonly body: Buffer
}

/**
 * What this provider has told of itself so far: discovery and its keys. They are the same for whoever asks, from the first
 * time to the last, because a provider lives as long as its keys do not change.
 * @returns the document at a path, once somebody has asked the library for it
 */
export function keepPublicDocuments(provider: Provider): (path: string) => PublicDocument | undefined {
  const known = new Map<string, PublicDocument>()
  const keep: Middleware = async (ctx, next) => {
    await next()
    if (ctx.method !== 'GET' || ctx.status !== 200) return
    known.set(ctx.path, { type: ctx.response.get('Content-Type'), body: Buffer.from(JSON.stringify(ctx.body)) })
  }
  provider.use(onlyAt(cacheablePaths, keep))
  return (path) => known.get(path)
}
