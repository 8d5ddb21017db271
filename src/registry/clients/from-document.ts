import type { Knex } from 'knex'
import type { Actor } from '../../lib/actor.ts'
import { createClient } from './create.ts'
import { originProblem } from './redirect-uri.ts'
import { registryId } from './metadata-url.ts'
import { selfRegisteredGrantTypes } from './self-registered.ts'
import { updateClient } from './update.ts'

/** What a metadata document decides about its client. */
export interface DocumentClient {
  /** Where the document stands; the client_id. */
  url: string
  name: string
  redirectUris: string[]
}

/**
 * Makes or changes the client of a metadata document, so that grants and consents have something to hang on. The row is
 * also the last good state of the document. All such clients are native: that lets them come back to any loopback port
 * (RFC 8252 §7.3), whether their document says so or not, and gives each sign-in a family of its own.
 * @throws RegistryError `invalid` with what is wrong with the name or a redirect URI
 */
export async function keepDocumentClient(
  db: Knex,
  { url, name, redirectUris }: DocumentClient,
  actor: Actor,
): Promise<void> {
  const id = registryId(url)
  const settings = { name, redirectUris, allowedOrigins: originsOf(redirectUris), actor }
  await db.transaction(async (trx) => {
    const known = await trx('clients').where({ id }).forUpdate().first('id')
    if (known) {
      const { actor: by, ...change } = settings
      await updateClient(trx, id, change, { actor: by })
      return
    }
    const grantTypes = [...selfRegisteredGrantTypes]
    await createClient(trx, { id, kind: 'native', selfRegistered: true, metadataUrl: url, grantTypes, ...settings })
  })
}

/** Pages from which a script redeems the code that it got. */
function originsOf(redirectUris: readonly string[]): string[] {
  const origins = redirectUris.flatMap((uri) => URL.parse(uri)?.origin ?? [])
  return [...new Set(origins)].filter((origin) => originProblem(origin) === undefined)
}
