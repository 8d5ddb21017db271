import type { Resource } from './resource.ts'

/** What may leave the server of a resource. */
export interface PresentedResource {
  id: string
  audience: string
  name: string
  token_format: Resource['tokenFormat']
  signing_alg: Resource['signingAlg']
  access_token_ttl: number | null
  token_claims: Resource['tokenClaims']
  introspection_clients: string[]
  self_registered_scopes: string[]
  scopes: { name: string; description: string; description_de: string | null }[]
  built_in: boolean
  version: number
  created_at: string
  updated_at: string
}

/** Times are ISO 8601 in UTC. */
export function presentResource(resource: Resource): PresentedResource {
  return {
    id: resource.id,
    audience: resource.audience,
    name: resource.name,
    token_format: resource.tokenFormat,
    signing_alg: resource.signingAlg,
    access_token_ttl: resource.accessTokenTtl,
    token_claims: resource.tokenClaims,
    introspection_clients: resource.introspectionClients,
    self_registered_scopes: resource.selfRegisteredScopes,
    scopes: resource.scopes.map(({ name, description, descriptionDe }) => {
      return { name, description, description_de: descriptionDe }
    }),
    built_in: resource.builtIn,
    version: resource.version,
    created_at: resource.createdAt.toISOString(),
    updated_at: resource.updatedAt.toISOString(),
  }
}
