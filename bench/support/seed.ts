/** Who there is in the bench's databases. */
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { createClient } from '../../src/registry/clients/create.ts'
import { managementScopes } from '../../src/registry/management-scopes.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { createUser } from '../../src/registry/users/create.ts'
import { createPasswordHasher, type PasswordHasher } from '../../src/registry/users/password.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import type { SignatureAlgorithm } from '../scenario.ts'
import { AUDIENCES, OPAQUE, PASSWORD, REDIRECT_URI, SCOPES, type SeededClient, type SeededPerson } from './names.ts'

export interface Seed {
  /** A confidential web app with the code flow, refresh tokens and all scopes of the APIs. */
  app: SeededClient
  /** A service with client credentials for the APIs. */
  service: SeededClient
  /** All have `PASSWORD`. */
  people: SeededPerson[]
  /** For everything of the management API. */
  apiKey: string
}

/** Fills a migrated database. */
export async function seed(databaseUrl: string, people: number): Promise<Seed> {
  const log = createLogger({ level: 'silent' })
  const db = await connectDatabase({ url: databaseUrl, dataDirectory: '', poolMax: 4, log })
  try {
    return await fill(db, people)
  } finally {
    await db.close()
  }
}

async function fill({ knex }: Pick<Database, 'knex'>, count: number): Promise<Seed> {
  const actor = 'cli'
  const scopes = SCOPES.map((name) => ({ name, description: name, descriptionDe: null }))
  for (const [signingAlg, audience] of Object.entries(AUDIENCES) as [SignatureAlgorithm, string][]) {
    await createResource(knex, { audience, name: signingAlg, scopes, signingAlg, actor })
  }
  const opaque = { audience: OPAQUE, name: 'Opaque', scopes, tokenFormat: 'opaque', actor } as const
  await createResource(knex, opaque)
  const access = [...Object.values(AUDIENCES), OPAQUE].map((resource) => ({ resource, scopes: SCOPES }))
  const app = await createClient(knex, { kind: 'web', name: 'App', redirectUris: [REDIRECT_URI], access, actor })
  const service = await createClient(knex, { kind: 'service', name: 'Service', access, actor })
  const hasher = await hashingOnce()
  const people: SeededPerson[] = []
  for (let index = 0; index < count; index += 1) {
    const username = `person${index}`
    const email = `${username}@example.com`
    const { id } = await createUser(
      knex,
      { hasher },
      { username, email, name: `Person ${index}`, password: PASSWORD, actor },
    )
    people.push({ id, username })
  }
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
