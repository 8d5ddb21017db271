import type { Provider } from 'oidc-provider'
import type { KeyRing } from '../keys/ring.ts'
import { createProvider, type ProviderDependencies } from './provider.ts'

/**
 * The provider of this moment. When signing keys turn over, a new one takes its place between two requests; requests under
 * way finish with the one they began with.
 */
export function currentProvider(deps: ProviderDependencies, ring: KeyRing): { get(): Provider; close(): void } {
  let provider = createProvider(deps, ring.current())
  const stop = ring.onChange((keys) => {
    provider = createProvider(deps, keys)
  })
  return { get: () => provider, close: stop }
}
