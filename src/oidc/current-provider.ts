import type { RequestListener } from 'node:http'
import type { Provider } from 'oidc-provider'
import type { KeyRing } from '../keys/ring.ts'
import { createProvider, type ProviderDependencies } from './provider.ts'
import { keepPublicDocuments, type PublicDocument } from './public-documents.ts'

export interface CurrentProvider {
  get(): Provider
  /** Answers a request to one of the protocol's paths. */
  handle: (...args: Parameters<RequestListener>) => Promise<void>
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
    return { provider, documentAt, handle: provider.callback() }
  }
  let current = make()
  ring.onChange((keys) => {
    current = make(keys)
  })
  return {
    get: () => current.provider,
    handle: async (req, res) => current.handle(req, res),
    documentAt: (path) => current.documentAt(path),
  }
}
