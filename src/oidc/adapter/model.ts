import type { Adapter, AdapterPayload } from 'oidc-provider'
import type pg from 'pg'
import type { MasterKeys } from '../../lib/master-key.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ClientDocuments } from '../client-documents/client-documents.ts'

export interface AdapterDependencies {
  pool: pg.Pool
  masterKeys: MasterKeys
  issuer: string
  log: Logger
  /** Seconds in which a duplicate refresh gets the same successor. */
  refreshReuseSeconds: number
  /** Clients that nobody registered; left out: there are none. */
  documents?: ClientDocuments | undefined
  /** Takes note of whether a client was remembered. */
  onClientLook?: ((hit: boolean) => void) | undefined
}

/** A model of a feature that is not switched on. Reaching it is a bug, and must not end in a token that nobody stored. */
export function refuse(model: string): Adapter {
  const fail = (): Promise<never> => Promise.reject(new Error(`${model} is not stored here`))
  return {
    upsert: fail,
    find: fail,
    findByUserCode: fail,
    findByUid: fail,
    consume: fail,
    destroy: fail,
    revokeByGrantId: fail,
  }
}

/** Takes the bearer value out of what is stored; `find` puts it back. */
export function withoutId({ jti: _jti, ...payload }: AdapterPayload): string {
  return JSON.stringify(payload)
}
