import { errors, Provider, type Adapter, type AdapterPayload, type KoaContextWithOIDC } from 'oidc-provider'
import type { ActiveClient } from '../../registry/clients/client.ts'
import { createActiveClients } from '../../registry/clients/active-clients.ts'
import { isId } from '../../lib/ids.ts'
import { findDocumentClient, type DocumentClient } from '../../registry/clients/from-document.ts'
import { isMetadataUrl } from '../../registry/clients/metadata-url.ts'
import type { ClientDocuments, DocumentRequest } from '../client-documents/client-documents.ts'
import { DocumentError } from '../client-documents/document.ts'
import { toMetadata } from '../configuration/client-metadata.ts'
import { refuse, type AdapterDependencies } from './model.ts'

/**
 * Introspection asks for a token's client after our policy has, and takes for granted that it is there: within one such
 * request it gets the same answer.
 */
const found = new WeakMap<KoaContextWithOIDC, Map<string, Promise<AdapterPayload | undefined>>>()

/**
 * Where the document of a client is asked for again when it is time: where a person is about to be sent back to the client,
 * by what it says now; and where the client comes by itself, by what it said last while its host is down. Elsewhere, on the
 * pages in between and where APIs ask, what is known will do.
 */
const ASKS: ReadonlyMap<string | undefined, DocumentRequest['wants']> = new Map([
  ['authorization', 'current'],
  ['pushed_authorization_request', 'current'],
  ['token', 'last-good'],
])

/**
 * Clients come from the registry and are never written through the library. A disabled or deleted client is not found, at
 * once and on every instance: what is remembered of it is checked before each use. One whose client_id is a URL is described
 * by the document that stands there.
 *
 * As long as nothing about a client changes, its metadata is the same object (see ../built-clients.ts).
 */
export function createClientLookup({ pool, issuer, documents, onClientLook }: AdapterDependencies): Adapter {
  const clients = createActiveClients({ pool, onLook: onClientLook })
  const metadata = new WeakMap<ActiveClient, AdapterPayload>()

  async function read(clientId: string): Promise<AdapterPayload | undefined> {
    const client = isMetadataUrl(clientId) ? await describedAt(clientId) : await clients.find(clientId)
    // Who is described by a document has one name.
    const isItsName = client && (client.metadataUrl ?? client.id) === clientId
    if (!isItsName) return undefined
    const known = metadata.get(client) ?? toMetadata(client, issuer)
    metadata.set(client, known)
    return known
  }

  async function describedAt(url: string): Promise<ActiveClient | undefined> {
    const document = documents && (await ask(documents, url))
    return document && findDocumentClient(pool, document)
  }

  return {
    ...refuse('Client'),
    async find(id) {
      if (!isId('cli', id) && !isMetadataUrl(id)) return undefined
      const { ctx } = Provider
      if (ctx?.oidc?.route !== 'introspection') return read(id)
      const known = found.get(ctx) ?? new Map<string, ReturnType<typeof read>>()
      found.set(ctx, known)
      const client = known.get(id) ?? read(id)
      known.set(id, client)
      return client
    },
  }
}

/** @throws InvalidClient that says what is wrong with the document, for the people who write it */
async function ask(documents: ClientDocuments, url: string): Promise<DocumentClient | undefined> {
  const { ctx } = Provider
  const wants = ASKS.get(ctx?.oidc?.route)
  if (!ctx || !wants) return documents.recall(url)
  try {
    return await documents.find(url, { address: ctx.ip, wants })
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error
    const refusal = new errors.InvalidClient(`the client metadata document ${error.message}`)
    // RFC 6749 §5.2: where clients come by themselves, one that is unknown is 401.
    if (ctx.oidc.route !== 'authorization') refusal.status = refusal.statusCode = 401
    throw refusal
  }
}
