/** What there is, in the form in which a file declares it. */
import type { Knex } from 'knex'
import type { Position } from '../lib/keyset.ts'
import type { ClientDetails, ClientSettings } from '../registry/clients/client.ts'
import { listClients } from '../registry/clients/queries.ts'
import { listResources } from '../registry/resources/queries.ts'
import type { Resource, ResourceSettings } from '../registry/resources/resource.ts'

export interface State {
  /** By audience; what is part of Grantry itself is among them. */
  resources: Resource[]
  /** By name, then id. */
  clients: ClientDetails[]
}

/** A resource with all its fields, as they stand in a file. */
export type StatedResource = ReturnType<typeof stateResource>
export type StatedClient = ReturnType<typeof stateClient>

const PAGE = 500

export async function readState(db: Knex): Promise<State> {
  const resources = await readAll(async (page) => {
    const found = await listResources(db, { ...page, sorting: { by: 'audience', descending: false } })
    return { items: found.resources, next: found.next }
  })
  const clients = await readAll(async (page) => {
    const found = await listClients(db, { ...page, sorting: { by: 'name', descending: false } })
    return { items: found.clients, next: found.next }
  })
  return { resources, clients }
}

interface Part<T> {
  items: T[]
  next: Position | undefined
}

async function readAll<T>(read: (page: { limit: number; after: Position | undefined }) => Promise<Part<T>>) {
  const all: T[] = []
  for (let part: Part<T> | undefined; part === undefined || part.next;) {
    part = await read({ limit: PAGE, after: part?.next })
    all.push(...part.items)
  }
  return all
}

/** Whether a file may speak of it: not what is part of Grantry itself. */
export function isDeclarableResource({ builtIn }: Resource): boolean {
  return !builtIn
}

/** As above; a client that registered itself is its own affair. */
export function isDeclarableClient({ builtIn, selfRegistered }: ClientDetails): boolean {
  return !builtIn && !selfRegistered
}

export function stateResource(audience: string, settings: ResourceSettings) {
  return {
    audience,
    name: settings.name,
    token_format: settings.tokenFormat,
    signing_alg: settings.signingAlg,
    access_token_ttl: settings.accessTokenTtl,
    token_claims: settings.tokenClaims,
    introspection_clients: settings.introspectionClients,
    self_registered_scopes: settings.selfRegisteredScopes,
    scopes: settings.scopes.map(({ name, description, descriptionDe }) => {
      return { name, description, description_de: descriptionDe }
    }),
  }
}

export interface StatableClient {
  id: string | undefined
  kind: ClientDetails['kind']
  settings: ClientSettings
  disabled: boolean
  access: { audience: string; scopes: readonly string[] }[]
}

export function stateClient({ id, kind, settings, disabled, access }: StatableClient) {
  return {
    id,
    kind,
    name: settings.name,
    token_endpoint_auth_method: settings.tokenEndpointAuthMethod,
    grant_types: settings.grantTypes,
    redirect_uris: settings.redirectUris,
    post_logout_redirect_uris: settings.postLogoutRedirectUris,
    backchannel_logout_uri: settings.backchannelLogoutUri,
    backchannel_logout_session_required: settings.backchannelLogoutSessionRequired,
    allowed_origins: settings.allowedOrigins,
    openid_scopes: settings.openidScopes,
    first_party: settings.firstParty,
    profile: settings.profile,
    dpop_bound_access_tokens: settings.dpopBoundAccessTokens,
    disabled,
    require_par: settings.requirePar,
    jwks: settings.jwks,
    exchange_from: settings.exchangeFrom,
    access: access
      .map(({ audience, scopes }) => ({ resource: audience, scopes: scopes.toSorted() }))
      .toSorted((a, b) => (a.resource < b.resource ? -1 : 1)),
  }
}

export function stateOfClient(client: ClientDetails): StatedClient {
  return stateClient({ ...client, settings: client, disabled: client.disabledAt !== null })
}
