/** What the demo needs in the registry: its resource and its clients, as they are made, and as those of an earlier release are completed. */
import type { Knex } from 'knex'
import { createClient, type NewClient } from '../registry/clients/create.ts'
import { findClient } from '../registry/clients/queries.ts'
import { updateClient } from '../registry/clients/update.ts'
import { managementAudience, managementScopes } from '../registry/management-scopes.ts'
import { createResource } from '../registry/resources/create.ts'
import { findResource } from '../registry/resources/queries.ts'
import type { TokenClaim } from '../registry/resources/resource.ts'
import { updateResource } from '../registry/resources/update.ts'

export interface DemoPlace {
  /** Where the demo is, and the audience of its tokens. */
  apiUrl: string
  issuer: string
  actor: string
}

export const demoClientNames = ['web', 'service', 'spa', 'reference'] as const
export type DemoClientName = (typeof demoClientNames)[number]

type Wanted = Omit<NewClient, 'actor' | 'guard' | 'id'>

const CLAIMS: readonly TokenClaim[] = ['auth_time', 'acr', 'roles']

const SCOPES = [
  { name: 'orders:read', description: 'See your orders', descriptionDe: 'Ihre Bestellungen ansehen' },
  { name: 'orders:write', description: 'Place orders for you', descriptionDe: 'Für Sie Bestellungen aufgeben' },
]

export function demoClients({ apiUrl, issuer }: DemoPlace): Record<DemoClientName, Wanted> {
  const access = [{ resource: apiUrl, scopes: SCOPES.map(({ name }) => name) }]
  return {
    web: { kind: 'web', name: 'Demo web app', redirectUris: [`${apiUrl}/web/callback`], access },
    service: { kind: 'service', name: 'Demo service', access },
    spa: {
      kind: 'spa',
      name: 'Grantry playground',
      // The second is that of the reference page of the orders API.
      redirectUris: [`${apiUrl}/callback`, `${apiUrl}/api/docs/callback`],
      postLogoutRedirectUris: [`${apiUrl}/`],
      allowedOrigins: [apiUrl],
      access,
    },
    reference: {
      kind: 'spa',
      name: 'API reference',
      redirectUris: [`${issuer}/api/docs/callback`],
      firstParty: true,
      access: [{ resource: managementAudience(issuer), scopes: [...managementScopes] }],
    },
  }
}

/** The client, and its secret if it has one. */
export async function makeDemoClient(db: Knex, name: DemoClientName, place: DemoPlace) {
  const { client, secret = '' } = await createClient(db, { ...demoClients(place)[name], actor: place.actor })
  return { client_id: client.id, client_secret: secret }
}

/** Makes the resources of the orders API and of its MCP server, or adds what they lack. Of what somebody else added, nothing goes. */
export async function prepareDemoResources(db: Knex, { apiUrl, actor }: DemoPlace): Promise<void> {
  await prepareResource(db, { audience: apiUrl, name: 'Demo orders API', actor })
  // Assistants come unannounced: what nobody registered may ask the person, here and nowhere else.
  const selfRegisteredScopes = SCOPES.map(({ name }) => name)
  await prepareResource(db, {
    audience: `${apiUrl}/mcp`,
    name: 'Demo orders for assistants',
    actor,
    selfRegisteredScopes,
  })
}

interface WantedResource {
  audience: string
  name: string
  actor: string
  /** Only of one that is made: an operator who closes it is not overruled at the next start. */
  selfRegisteredScopes?: string[]
}

async function prepareResource(db: Knex, { audience, actor, ...wanted }: WantedResource): Promise<void> {
  const known = await findResource(db, audience)
  if (!known) {
    await createResource(db, { ...wanted, tokenClaims: [...CLAIMS], scopes: SCOPES, audience, actor })
    return
  }
  const missing = SCOPES.filter(({ name }) => !known.scopes.some((scope) => scope.name === name))
  const scopes = missing.length > 0 ? [...known.scopes, ...missing] : undefined
  await updateResource(db, audience, { scopes, tokenClaims: union(known.tokenClaims, CLAIMS) }, { actor })
}

/**
 * Adds to clients of an earlier start what this release needs: redirect URIs, origins, scopes. Nothing goes, names stay, and
 * who lacks nothing is left as it is. They must exist.
 */
export async function completeDemoClients(
  db: Knex,
  ids: Readonly<Record<DemoClientName, string>>,
  place: DemoPlace,
): Promise<void> {
  const wanted = demoClients(place)
  for (const name of demoClientNames) await completeClient(db, ids[name], wanted[name], place.actor)
}

async function completeClient(db: Knex, id: string, wanted: Wanted, actor: string): Promise<void> {
  const client = await findClient(db, id)
  if (!client) return
  const access = new Map(client.access.map(({ audience, scopes }) => [audience, scopes]))
  for (const { resource, scopes } of wanted.access ?? []) access.set(resource, union(access.get(resource), scopes))
  await updateClient(
    db,
    id,
    {
      redirectUris: union(client.redirectUris, wanted.redirectUris),
      postLogoutRedirectUris: union(client.postLogoutRedirectUris, wanted.postLogoutRedirectUris),
      allowedOrigins: union(client.allowedOrigins, wanted.allowedOrigins),
      access: [...access].map(([resource, scopes]) => ({ resource, scopes })),
    },
    { actor },
  )
}

function union<T>(known: readonly T[] = [], wanted: readonly T[] = []): T[] {
  return [...new Set([...known, ...wanted])]
}
