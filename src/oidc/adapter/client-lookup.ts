import type { Adapter } from 'oidc-provider'
import { findActiveClient } from '../../registry/clients/queries.ts'
import { isId } from '../../lib/ids.ts'
import { toMetadata } from '../configuration/client-metadata.ts'
import { refuse, type AdapterDependencies } from './model.ts'

/**
 * Clients come from the registry and are never written through the library. A disabled or deleted client is not found, at
 * once and on every instance: there is no cache in between.
 */
export function createClientLookup({ pool, issuer }: AdapterDependencies): Adapter {
  return {
    ...refuse('Client'),
    async find(id) {
      if (!isId('cli', id)) return undefined
      const client = await findActiveClient(pool, id)
      return client && toMetadata(client, issuer)
    },
  }
}
