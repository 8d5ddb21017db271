/**
 * Clients that a metadata document describes. Anybody can make such a document, so it becomes a row only when a person is
 * about to allow its client something, and grants and consents need something to hang on; until then it is a client all the
 * same, by what the document says.
 */
import type { Knex } from 'knex'
import type { Pool } from 'pg'
import type { Actor } from '../../lib/actor.ts'
import { RegistryError } from '../registry-error.ts'
import { findActiveClient, findOpenAccess } from './active.ts'
import { checkedSettings, withDefaults, type ActiveClient, type ClientSettings } from './client.ts'
import { createClient } from './create.ts'
import { registryId } from './metadata-url.ts'
import { originProblem } from './redirect-uri.ts'
import { checkSelfRegistered, selfRegisteredGrantTypes } from './self-registered.ts'
import { updateClient } from './update.ts'

/** What a metadata document decides about its client. */
export interface DocumentClient {
  /** Where the document stands; the client_id. */
  url: string
  name: string
  redirectUris: string[]
}

/**
 * All such clients are native: that lets them come back to any loopback port (RFC 8252 §7.3), whether their document says
 * so or not, and gives each sign-in a family of its own.
 */
const KIND = 'native'

function settingsOf({ name, redirectUris }: DocumentClient): ClientSettings {
  const given = {
    name,
    redirectUris,
    allowedOrigins: originsOf(redirectUris),
    grantTypes: [...selfRegisteredGrantTypes],
  }
  return checkedSettings(KIND, withDefaults(KIND, { ...given, profile: 'mcp' }))
}

/**
 * The client in its normal form.
 * @throws RegistryError `invalid` with what is wrong with the name or a redirect URI
 */
export function checkDocumentClient(document: DocumentClient): DocumentClient {
  const settings = settingsOf(document)
  checkSelfRegistered(KIND, settings, undefined)
  return { url: document.url, name: settings.name, redirectUris: settings.redirectUris }
}

/**
 * The client as the token path needs it: its row, or what the row would be.
 * @returns undefined for one that an operator has disabled
 */
export async function findDocumentClient(pool: Pool, document: DocumentClient): Promise<ActiveClient | undefined> {
  const id = registryId(document.url)
  const [stored, row] = await Promise.all([findActiveClient(pool, id), pool.query(EXISTS, [id])])
  if (row.rows.length > 0) return stored
  const now = new Date()
  return {
    ...settingsOf(document),
    id,
    kind: KIND,
    builtIn: false,
    selfRegistered: true,
    metadataUrl: document.url,
    disabledAt: null,
    version: 1,
    createdAt: now,
    updatedAt: now,
    secrets: [],
    access: await findOpenAccess(pool),
  }
}

const EXISTS = 'select from clients where id = $1'

/** Makes the row, or brings it up to what the document says. */
export async function keepDocumentClient(db: Knex, document: DocumentClient, actor: Actor): Promise<void> {
  if (await updateDocumentClient(db, document, actor)) return
  const { url } = document
  const settings = settingsOf(document)
  try {
    const id = registryId(url)
    await createClient(db, { ...settings, id, kind: KIND, selfRegistered: true, metadataUrl: url, actor })
  } catch (error) {
    // Another request of the same moment made it.
    if (!(error instanceof RegistryError) || error.code !== 'conflict') throw error
  }
}

/** @returns whether there is such a client; nothing is made */
export async function updateDocumentClient(db: Knex, document: DocumentClient, actor: Actor): Promise<boolean> {
  const { name, redirectUris, allowedOrigins } = settingsOf(document)
  try {
    await updateClient(db, registryId(document.url), { name, redirectUris, allowedOrigins }, { actor })
    return true
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'not_found') return false
    throw error
  }
}

/** Pages from which a script redeems the code that it got. */
function originsOf(redirectUris: readonly string[]): string[] {
  const origins = redirectUris.flatMap((uri) => URL.parse(uri)?.origin ?? [])
  return [...new Set(origins)].filter((origin) => originProblem(origin) === undefined)
}
