/**
 * Where the library's models live. The library reads, checks and then writes, and ignores what its adapter answers, so every
 * rule that must hold under concurrency is one conditional statement here, which throws the protocol's own error when it
 * finds nothing left to claim.
 */
import type { Adapter } from 'oidc-provider'
import { createArtifacts, type Artifacts } from './artifacts.ts'
import { createClientLookup } from './client-lookup.ts'
import { createDeviceCodes, type DeviceCodes } from './device-codes.ts'
import { createFamilies, type Families } from './families.ts'
import { createGrants } from './grants.ts'
import { createInteractions } from './interactions.ts'
import { refuse, type AdapterDependencies } from './model.ts'
import { createPushedRequests } from './pushed-requests.ts'
import { createRefreshTokens } from './refresh-tokens.ts'
import { createReplays, type Replays } from './replays.ts'
import { createSessions, type Sessions } from './sessions.ts'

export interface Storage {
  adapter(model: string): Adapter
  sessions: Sessions
  codes: Artifacts
  deviceCodes: DeviceCodes
  families: Families
  replays: Replays
}

const PLAIN_MODELS = new Set(['AccessToken', 'ClientCredentials'])

export function createStorage(deps: AdapterDependencies): Storage {
  const families = createFamilies(deps)
  const sessions = createSessions(deps)
  const codes = createArtifacts('AuthorizationCode', deps, families)
  const deviceCodes = createDeviceCodes(deps, families)
  const named = new Map<string, Adapter>([
    ['Client', createClientLookup(deps)],
    ['Session', sessions],
    ['AuthorizationCode', codes],
    ['DeviceCode', deviceCodes],
    ['Grant', createGrants(deps, families)],
    ['RefreshToken', createRefreshTokens(deps, families)],
    ['Interaction', createInteractions(deps)],
    ['PushedAuthorizationRequest', createPushedRequests(deps)],
  ])

  function adapter(model: string): Adapter {
    const known = named.get(model)
    if (known) return known
    const made = PLAIN_MODELS.has(model) ? createArtifacts(model, deps, families) : refuse(model)
    named.set(model, made)
    return made
  }

  return { adapter, sessions, codes, deviceCodes, families, replays: createReplays(deps) }
}
