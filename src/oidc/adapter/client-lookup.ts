import { Provider, type Adapter, type AdapterPayload, type KoaContextWithOIDC } from 'oidc-provider'
import { findActiveClient } from '../../registry/clients/queries.ts'
import { isId } from '../../lib/ids.ts'
import { toMetadata } from '../configuration/client-metadata.ts'
import { refuse, type AdapterDependencies } from './model.ts'

/**
 * Introspection asks for a token's client after our policy has, and takes for granted that it is there: within one such
 * request it gets the same answer.
 */
const found = new WeakMap<KoaContextWithOIDC, Map<string, Promise<AdapterPayload | undefined>>>()

/**
 * Clients come from the registry and are never written through the library. A disabled or deleted client is not found, at
 * once and on every instance: there is no cache in between.
 */
export function createClientLookup({ pool, issuer }: AdapterDependencies): Adapter {
  async function read(id: string): Promise<AdapterPayload | undefined> {
    const client = await findActiveClient(pool, id)
    return client && toMetadata(client, issuer)
  }

  return {
    ...refuse('Client'),
    async find(id) {
      if (!isId('cli', id)) return undefined
      const { ctx } = Provider
      if (ctx?.oidc?.route !== 'introspection') return read(id)
      const known = found.get(ctx) ?? new Map<string, ReturnType<typeof read>>()
      found.set(ctx, known)
      const client = known.get(id) ?? read(id)
      known.set(id, client)
      return client
    },
  }
}
