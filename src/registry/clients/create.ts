import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { isId, newId } from '../../lib/ids.ts'
import { RegistryError } from '../registry-error.ts'
import { replaceAccess, type AccessRequest } from './access.ts'
import {
  checkedSettings,
  hasSecret,
  withDefaults,
  type ClientDetails,
  type ClientKind,
  type ClientSettings,
  type GivenSettings,
} from './client.ts'
import { requireLogoutUri } from './logout-uri.ts'
import { presentClient } from './present.ts'
import { lockedDetails } from './queries.ts'
import { newClientSecret } from './secret.ts'
import { checkSelfRegistered } from './self-registered.ts'

export interface NewClient extends GivenSettings {
  /** Of a client that has one already, on another server; made up unless given. */
  id?: string | undefined
  kind: ClientKind
  name: string
  /** What it may ask of resource servers; nothing when left out. */
  access?: readonly AccessRequest[] | undefined
  /** Nobody vouches for it: it is held to the rules in self-registered.ts. */
  selfRegistered?: boolean | undefined
  /** The client_id of a client that a document there describes; see from-document.ts. */
  metadataUrl?: string | undefined
  /** Whether it may be told of logouts at an address inside (development). */
  allowPrivate?: boolean | undefined
  actor: Actor
  /** Asked with the client as it would be; what it throws undoes the registration. */
  guard?: ((client: ClientDetails) => void) | undefined
}

/**
 * Registers a client. Who proves itself with a secret gets one, which is told here and never again.
 * @throws RegistryError `invalid` with the field at fault, `conflict` when the id is taken
 */
export async function createClient(db: Knex, input: NewClient): Promise<{ client: ClientDetails; secret?: string }> {
  const {
    id = newId('cli'),
    kind,
    access = [],
    selfRegistered = false,
    metadataUrl = null,
    allowPrivate = false,
    actor,
    guard,
    ...given
  } = input
  if (!isId('cli', id)) throw new RegistryError('invalid', 'the id must be one that a client can have', 'id')
  const settings = checkedSettings(kind, withDefaults(kind, given))
  requireLogoutUri(settings.backchannelLogoutUri, { allowPrivate })
  if (selfRegistered) checkSelfRegistered(kind, settings, access)
  const secret = hasSecret(settings.tokenEndpointAuthMethod) ? newClientSecret() : undefined

  const client = await db.transaction(async (trx) => {
    const row = { id, kind, self_registered: selfRegistered, metadata_url: metadataUrl, ...toColumns(settings) }
    const inserted = await trx('clients').insert(row).onConflict('id').ignore().returning('id')
    if (inserted.length === 0) throw new RegistryError('conflict', `there is a client ${id} already`, 'id')
    await replaceAccess(trx, id, access)
    if (secret) {
      const { digest, hint } = secret
      await trx('client_secrets').insert({ id: newId('sec'), client_id: id, digest, hint })
    }
    const data = { kind, first_party: settings.firstParty, ...(selfRegistered && { self_registered: true }) }
    await appendEvent(trx, { type: 'client.created', subject: id, clientId: id, actor, data })
    const made = await lockedDetails(trx, id)
    guard?.(made)
    await recordChange(trx, actor, { action: 'client.create', subject: id, after: presentClient(made) })
    return made
  })
  return secret ? { client, secret: secret.value } : { client }
}

/** Settings as the table names them. */
export function toColumns(settings: ClientSettings): Record<string, unknown> {
  return {
    name: settings.name,
    token_endpoint_auth_method: settings.tokenEndpointAuthMethod,
    grant_types: settings.grantTypes,
    redirect_uris: settings.redirectUris,
    post_logout_redirect_uris: settings.postLogoutRedirectUris,
    backchannel_logout_uri: settings.backchannelLogoutUri,
    backchannel_logout_session_required: settings.backchannelLogoutSessionRequired,
    allowed_origins: settings.allowedOrigins,
    openid_scopes: settings.openidScopes,
    first_party: settings.firstParty,
    profile: settings.profile,
    dpop_bound_access_tokens: settings.dpopBoundAccessTokens,
    require_par: settings.requirePar,
    jwks: settings.jwks && JSON.stringify(settings.jwks),
    exchange_from: settings.exchangeFrom,
  }
}
