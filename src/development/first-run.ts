import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createApiKey } from '../registry/api-keys/create.ts'
import { managementAudience, managementScopes } from '../registry/management-scopes.ts'
import { createClient } from '../registry/clients/create.ts'
import { findClient } from '../registry/clients/queries.ts'
import { createResource } from '../registry/resources/create.ts'
import { findResource } from '../registry/resources/queries.ts'
import { createUser } from '../registry/users/create.ts'
import { createPasswordHasher, type PasswordHasher } from '../registry/users/password.ts'
import { findUserByLogin } from '../registry/users/queries.ts'
import { setPassword } from '../registry/users/set-password.ts'
import { updateUser } from '../registry/users/update.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import type { AuthServer } from '../server.ts'
import type { Knex } from 'knex'
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
 * The demo data: made at the first start, found again at the next. It is made afresh when the file is gone, when the ports
 * changed or when the clients were deleted. Two starts at once make it once.
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
    const made = isKept ? known : { issuer: config.issuer, ...(await seed(db.knex, apiUrl, config.issuer)) }
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

async function seed(db: Knex, apiUrl: string, issuer: string): Promise<Omit<FirstRun, 'issuer'>> {
  const hasher = createPasswordHasher()
  await demoResource(db, apiUrl)
  const access = [{ resource: apiUrl, scopes: ['orders:read', 'orders:write'] }]
  const referenceRedirect = `${issuer}/api/docs/callback`
  const webRedirects = [`${apiUrl}/web/callback`]
  const [user, admin, web, service, spa, reference, key] = await Promise.all([
    demoUser(db, hasher, { username: 'alice', name: 'Alice Example', roles: [] }),
    demoUser(db, hasher, { username: 'olivia', name: 'Olivia Operator', roles: ['orders-admin', 'grantry-admin'] }),
    createClient(db, { kind: 'web', name: 'Demo web app', redirectUris: webRedirects, access, actor: ACTOR }),
    createClient(db, { kind: 'service', name: 'Demo service', access, actor: ACTOR }),
    createClient(db, {
      kind: 'spa',
      name: 'Grantry playground',
      redirectUris: [`${apiUrl}/callback`, `${apiUrl}/api/docs/callback`],
      postLogoutRedirectUris: [`${apiUrl}/`],
      allowedOrigins: [apiUrl],
      access,
      actor: ACTOR,
    }),
    createClient(db, {
      kind: 'spa',
      name: 'API reference',
      redirectUris: [referenceRedirect],
      firstParty: true,
      access: [{ resource: managementAudience(issuer), scopes: [...managementScopes] }],
      actor: ACTOR,
    }),
    createApiKey(db, { name: 'First run', scopes: managementScopes, actor: ACTOR }),
  ])
  return {
    apiKey: key.value,
    demo: {
      apiUrl,
      user,
      admin,
      clients: {
        web: { client_id: web.client.id, client_secret: web.secret ?? '', redirect_uris: webRedirects },
        service: { client_id: service.client.id, client_secret: service.secret ?? '' },
        spa: { client_id: spa.client.id, redirect_uri: `${apiUrl}/callback` },
        reference: { client_id: reference.client.id, redirect_uri: referenceRedirect },
      },
    },
  }
}

async function demoResource(db: Knex, audience: string): Promise<void> {
  if (await findResource(db, audience)) return
  await createResource(db, {
    audience,
    name: 'Demo orders API',
    tokenClaims: ['auth_time', 'acr', 'roles'],
    scopes: [
      { name: 'orders:read', description: 'See your orders', descriptionDe: 'Ihre Bestellungen ansehen' },
      { name: 'orders:write', description: 'Place orders for you', descriptionDe: 'Für Sie Bestellungen aufgeben' },
    ],
    actor: ACTOR,
  })
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
