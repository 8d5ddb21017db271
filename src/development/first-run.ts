import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { listAuditEntries } from '../events/audit-queries.ts'
import { createApiKey } from '../registry/api-keys/create.ts'
import { findApiKey } from '../registry/api-keys/queries.ts'
import { updateApiKey } from '../registry/api-keys/update.ts'
import { managementScopes } from '../registry/management-scopes.ts'
import { findClient } from '../registry/clients/queries.ts'
import { createUser } from '../registry/users/create.ts'
import { createPasswordHasher, type PasswordHasher } from '../registry/users/password.ts'
import { findUserByLogin } from '../registry/users/queries.ts'
import { setPassword } from '../registry/users/set-password.ts'
import { updateUser } from '../registry/users/update.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import type { AuthServer } from '../server.ts'
import type { Knex } from 'knex'
import {
  completeDemoClients,
  demoClientNames,
  demoClients,
  makeDemoClient,
  prepareDemoResources,
  type DemoPlace,
} from './demo-registry.ts'
import { prepareDemoWebhook } from './demo-webhook.ts'

interface Account {
  username: string
  password: string
}

interface ConfidentialClient {
  client_id: string
  client_secret: string
}

/** `DATA_DIR/first-run.json`, mode 0600: what scripts need to use the demo. */
export interface FirstRun {
  issuer: string
  /** Has every management scope. */
  apiKey: string
  demo: {
    apiUrl: string
    user: Account
    /** May read everybody's orders, and do everything with the management API. */
    admin: Account
    clients: {
      web: ConfidentialClient & { redirect_uris: string[] }
      service: ConfidentialClient
      spa: { client_id: string; redirect_uri: string }
      /** Signs people in on the reference page of the management API. */
      reference: { client_id: string; redirect_uri: string }
    }
    /** By which the demo is told of events; missing where webhooks may not lead to this machine. */
    webhook?: { id: string }
  }
}

const ACTOR = 'first-run'
const LOCK = 4_740_265

/**
 * The demo data: made at the first start, found again at the next, and completed when an earlier release made it. It is made
 * afresh when the file is gone, when the ports changed or when the clients were deleted. Two starts at once make it once.
 */
export async function prepareFirstRun(
  { config, db }: Pick<AuthServer, 'config' | 'db'>,
  masterKeys: MasterKeys,
  apiUrl: string,
): Promise<{ firstRun: FirstRun; webhookSecret: string | undefined }> {
  const path = join(config.dataDirectory, 'first-run.json')
  return db.knex.transaction(async (lock) => {
    await lock.raw('select pg_advisory_xact_lock(?)', [LOCK])
    const known = await read(path)
    const isKept = known !== undefined && (await isCurrent(db.knex, known, config.issuer, apiUrl))
    const place = { apiUrl, issuer: config.issuer, actor: ACTOR }
    const made = isKept ? known : { issuer: config.issuer, ...(await seed(db.knex, place)) }
    if (isKept) await complete(db, known, place)
    const knownId = known?.demo?.webhook?.id
    const webhook = config.webhooks.allowPrivate
      ? await prepareDemoWebhook(db.knex, { ...webhookOptions(apiUrl, masterKeys), knownId })
      : undefined
    const firstRun = withWebhook(made, webhook?.id)
    if (!isKept || knownId !== webhook?.id) {
      await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 })
      await writeWhole(path, `${JSON.stringify(firstRun, null, 2)}\n`)
    }
    return { firstRun, webhookSecret: webhook?.secret }
  })
}

function webhookOptions(apiUrl: string, masterKeys: MasterKeys) {
  return { url: `${apiUrl}/webhooks/grantry`, masterKeys, allowPrivate: true, actor: ACTOR }
}

function withWebhook(firstRun: FirstRun, id: string | undefined): FirstRun {
  const { webhook: _, ...demo } = firstRun.demo
  return { ...firstRun, demo: { ...demo, ...(id !== undefined && { webhook: { id } }) } }
}

async function read(path: string): Promise<FirstRun | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as FirstRun
  } catch {
    return undefined
  }
}

async function isCurrent(db: Knex, known: FirstRun, issuer: string, apiUrl: string): Promise<boolean> {
  if (known.issuer !== issuer || known.demo?.apiUrl !== apiUrl) return false
  const { web, service, spa, reference } = known.demo.clients
  // A file of an earlier release knows no client of the reference page.
  if (!reference) return false
  const found = await Promise.all([web, service, spa, reference].map(({ client_id }) => findClient(db, client_id)))
  return found.every((client) => client !== undefined)
}

async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, path)
}

/** Adds what this release needs to what an earlier one made. */
async function complete(db: AuthServer['db'], { apiKey, demo }: FirstRun, place: DemoPlace): Promise<void> {
  const { web, service, spa, reference } = demo.clients
  const ids = { web: web.client_id, service: service.client_id, spa: spa.client_id, reference: reference.client_id }
  await prepareDemoResources(db.knex, place)
  await completeDemoClients(db.knex, ids, place)
  const key = await findApiKey(db.pool, apiKey)
  if (!key) return
  // Whoever narrowed it had a reason.
  const [last] = await listAuditEntries(db.knex, { subject: key.id, limit: 1 })
  if (last?.actor !== ACTOR) return
  await updateApiKey(db.knex, { apiKeyId: key.id, changes: { scopes: managementScopes }, actor: ACTOR })
}

async function seed(db: Knex, place: DemoPlace): Promise<Omit<FirstRun, 'issuer'>> {
  const hasher = createPasswordHasher()
  await prepareDemoResources(db, place)
  const [user, admin, key, ...clients] = await Promise.all([
    demoUser(db, hasher, { username: 'alice', name: 'Alice Example', roles: [] }),
    demoUser(db, hasher, { username: 'olivia', name: 'Olivia Operator', roles: ['orders-admin', 'grantry-admin'] }),
    createApiKey(db, { name: 'First run', scopes: managementScopes, actor: ACTOR }),
    ...demoClientNames.map((name) => makeDemoClient(db, name, place)),
  ])
  const [web, service, spa, reference] = clients as [
    ConfidentialClient,
    ConfidentialClient,
    ConfidentialClient,
    ConfidentialClient,
  ]
  const { web: wantedWeb, spa: wantedSpa, reference: wantedReference } = demoClients(place)
  const [redirectUri = '', referenceUri = ''] = [wantedSpa, wantedReference].map((it) => it.redirectUris?.[0])
  return {
    apiKey: key.value,
    demo: {
      apiUrl: place.apiUrl,
      user,
      admin,
      clients: {
        web: { ...web, redirect_uris: wantedWeb.redirectUris ?? [] },
        service,
        spa: { client_id: spa.client_id, redirect_uri: redirectUri },
        reference: { client_id: reference.client_id, redirect_uri: referenceUri },
      },
    },
  }
}

async function demoUser(
  db: Knex,
  hasher: PasswordHasher,
  { username, name, roles }: { username: string; name: string; roles: string[] },
): Promise<Account> {
  const password = readablePassword()
  const known = await findUserByLogin(db, username)
  if (known) {
    await setPassword(db, { hasher }, { userId: known.id, password, actor: ACTOR })
    await updateUser(db, { userId: known.id, changes: { roles }, actor: ACTOR })
  } else {
    const email = `${username}@example.com`
    await createUser(db, { hasher }, { username, password, name, email, emailVerified: true, roles, actor: ACTOR })
  }
  return { username, password }
}

/** Five groups of four letters, 94 bits: easy to type from a terminal. */
function readablePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'
  const group = () => Array.from(randomBytes(4), (byte) => letters.charAt(byte % letters.length)).join('')
  return Array.from({ length: 5 }, group).join('-')
}
