/** Who there is in the bench's databases, and how they are called in the bare library as well. */
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { createUser } from '../../src/registry/users/create.ts'
import { createPasswordHasher, type PasswordHasher } from '../../src/registry/users/password.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import type { SignatureAlgorithm } from '../scenario.ts'

export const REDIRECT_URI = 'https://app.example.com/callback'
export const PASSWORD = 'seven purple otters dance'
export const SCOPES = ['orders:read', 'orders:write']
/** An API for each algorithm that signs its access tokens. */
export const AUDIENCES: Record<SignatureAlgorithm, string> = {
  RS256: 'https://rs256.example.com',
  ES256: 'https://es256.example.com',
  Ed25519: 'https://ed25519.example.com',
}

export interface SeededClient {
  id: string
  secret: string
}

export interface Seed {
  /** A confidential web app with the code flow, refresh tokens and all scopes of the APIs. */
  app: SeededClient
  /** A service with client credentials for the APIs. */
  service: SeededClient
  /** Login names; all have `PASSWORD`. */
  people: string[]
  /** For everything of the management API. */
  apiKey: string
}

const PEOPLE = 64

/** Fills a migrated database. */
export async function seed(databaseUrl: string): Promise<Seed> {
  const log = createLogger({ level: 'silent' })
  const db = await connectDatabase({ url: databaseUrl, dataDirectory: '', poolMax: 4, log })
  try {
    return await fill(db)
  } finally {
    await db.close()
  }
}

async function fill({ knex }: Pick<Database, 'knex'>): Promise<Seed> {
  const actor = 'cli'
  const scopes = SCOPES.map((name) => ({ name, description: name, descriptionDe: null }))
  for (const [signingAlg, audience] of Object.entries(AUDIENCES) as [SignatureAlgorithm, string][]) {
    await createResource(knex, { audience, name: signingAlg, scopes, signingAlg, actor })
  }
  const access = Object.values(AUDIENCES).map((resource) => ({ resource, scopes: SCOPES }))
  const app = await createClient(knex, { kind: 'web', name: 'App', redirectUris: [REDIRECT_URI], access, actor })
  const service = await createClient(knex, { kind: 'service', name: 'Service', access, actor })
  const people = Array.from({ length: PEOPLE }, (_, index) => `person${index}`)
  const hasher = await hashingOnce()
  for (const username of people) await createUser(knex, { hasher }, { username, password: PASSWORD, actor })
  const { value: apiKey } = await createApiKey(knex, { name: 'bench', scopes: managementScopes, actor })
  return { app: named(app), service: named(service), people, apiKey }
}

/** All have the same password, and what hashing costs is measured elsewhere. */
async function hashingOnce(): Promise<PasswordHasher> {
  const own = createPasswordHasher()
  const hash = await own.hash(PASSWORD)
  return { ...own, hash: () => Promise.resolve(hash) }
}

function named({ client, secret = '' }: Awaited<ReturnType<typeof createClient>>): SeededClient {
  return { id: client.id, secret }
}

export function basic({ id, secret }: SeededClient): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}
