/** People, apps and APIs for tests. */
import { createClient, type NewClient } from '../../src/registry/clients/create.ts'
import { createResource } from '../../src/registry/resources/create.ts'
import { createUser } from '../../src/registry/users/create.ts'
import { createPasswordHasher, type PasswordHasher } from '../../src/registry/users/password.ts'
import type { Database } from '../../src/database/connect.ts'

export const API = 'https://api.example.com'
export const PASSWORD = 'seven purple otters dance'
export const REDIRECT = 'https://app.example.com/callback'

type Handle = Pick<Database, 'knex'>

const hasher = rememberingHasher()
let count = 0

/** Most people of tests have the same password, and the cost of hashing it is for others. */
function rememberingHasher(): PasswordHasher {
  const own = createPasswordHasher()
  const known = new Map<string, Promise<string>>()
  return {
    verify: (hash, password) => own.verify(hash, password),
    hash(password) {
      const hash = known.get(password) ?? own.hash(password)
      known.set(password, hash)
      return hash
    },
  }
}

export async function buildResource({ knex }: Handle, overrides: Partial<Parameters<typeof createResource>[1]> = {}) {
  return createResource(knex, {
    audience: API,
    name: 'Orders',
    scopes: [
      { name: 'orders:read', description: 'See your orders', descriptionDe: null },
      { name: 'orders:write', description: 'Place orders', descriptionDe: null },
    ],
    actor: 'test',
    ...overrides,
  })
}

export async function buildUser(
  { knex }: Handle,
  overrides: Partial<Parameters<typeof createUser>[2]> = {},
): Promise<{ id: string; username: string; password: string }> {
  const password = overrides.password ?? PASSWORD
  const username = overrides.username ?? `person${(count += 1)}`
  const { id } = await createUser(knex, { hasher }, { username, password, actor: 'test', ...overrides })
  return { id, username, password }
}

export interface TestClient {
  client_id: string
  client_secret: string | undefined
  redirect_uri: string
}

/** A client that may ask for everything of `API`, unless told otherwise. */
export async function buildClient({ knex }: Handle, overrides: Partial<NewClient> = {}): Promise<TestClient> {
  const kind = overrides.kind ?? 'web'
  const { client, secret } = await createClient(knex, {
    kind,
    name: `Test ${kind}`,
    redirectUris: kind === 'service' ? [] : [REDIRECT],
    access: [{ resource: API, scopes: ['orders:read', 'orders:write'] }],
    actor: 'test',
    ...overrides,
  })
  return { client_id: client.id, client_secret: secret, redirect_uri: client.redirectUris[0] ?? '' }
}
