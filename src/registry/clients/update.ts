import { isDeepStrictEqual } from 'node:util'
import type { Knex } from 'knex'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import type { Actor } from '../../lib/actor.ts'
import { snakeCase } from '../../lib/snake-case.ts'
import { RegistryError } from '../registry-error.ts'
import { replaceAccess, type AccessRequest } from './access.ts'
import {
  checkedSettings,
  hasSecret,
  type Client,
  type ClientDetails,
  type ClientSettings,
  type GivenSettings,
} from './client.ts'
import { toColumns } from './create.ts'
import { requireLogoutUri } from './logout-uri.ts'
import { presentClient } from './present.ts'
import { profileDefaults } from './profiles.ts'
import { lockClient, lockedDetails } from './queries.ts'
import { checkSelfRegistered } from './self-registered.ts'

export interface ClientChange extends GivenSettings {
  /** Replaces all of the client's access to resource servers. */
  access?: readonly AccessRequest[] | undefined
}

export interface ChangeOptions {
  actor: Actor
  /** Only if the client is still at this version. */
  ifVersion?: number | undefined
  /** Whether it may be told of logouts at an address inside (development). */
  allowPrivate?: boolean | undefined
  guard?: ClientGuard | undefined
}

/**
 * Asked by every verb while it holds the client's row: with the client as it is, and after a change with the client as it
 * would be. What it throws undoes the change. So a caller's rights are judged on what is there, and not on what was read before.
 */
export type ClientGuard = (client: ClientDetails) => void

/**
 * Changes what is given and leaves the rest. The kind stays: what a client is follows from where its code runs. A change
 * that changes nothing writes nothing.
 * @throws RegistryError `not_found`, `invalid` with the field, `forbidden` for a built-in client, `conflict` when the
 * version moved on
 */
export async function updateClient(
  db: Knex,
  id: string,
  change: ClientChange,
  { actor, ifVersion, allowPrivate = false, guard }: ChangeOptions,
): Promise<ClientDetails> {
  return db.transaction(async (trx) => {
    const client = await lockClient(trx, id)
    requireVersion(client, ifVersion)
    if (client.builtIn) throw new RegistryError('forbidden', 'a built-in client can not be changed', 'built_in')
    const before = await lockedDetails(trx, id)
    guard?.(before)
    const settings = checkedSettings(client.kind, merge(client, change))
    const { backchannelLogoutUri: uri } = settings
    if (uri !== client.backchannelLogoutUri) requireLogoutUri(uri, { allowPrivate })
    if (client.selfRegistered) checkSelfRegistered(client.kind, settings, change.access)
    const changed: string[] = (Object.keys(settings) as (keyof ClientSettings)[])
      .filter((name) => !isDeepStrictEqual(settings[name], client[name]))
      .map(snakeCase)
    const ownAccess = client.selfRegistered ? undefined : change.access
    if (ownAccess && (await replaceAccess(trx, id, ownAccess))) changed.push('access')
    if (changed.length === 0) return before

    await trx('clients')
      .where({ id })
      .update({ ...toColumns(settings), version: client.version + 1, updated_at: trx.raw('clock_timestamp()') })
    // A secret must not lie about, good again on the day on which the method is changed back.
    if (!hasSecret(settings.tokenEndpointAuthMethod)) await trx('client_secrets').where({ client_id: id }).delete()
    await appendEvent(trx, {
      type: 'client.updated',
      subject: id,
      clientId: id,
      actor,
      // Who may skip consent is the one setting that must be found in the record by its value.
      data: { fields: changed, ...(changed.includes('first_party') ? { first_party: settings.firstParty } : {}) },
    })
    const after = await lockedDetails(trx, id)
    guard?.(after)
    await recordChange(trx, actor, {
      action: 'client.update',
      subject: id,
      before: presentClient(before),
      after: presentClient(after),
    })
    return after
  })
}

/** @throws RegistryError `conflict` when someone else was faster */
export function requireVersion(client: Client, ifVersion: number | undefined): void {
  if (ifVersion === undefined || client.version === ifVersion) return
  const message = `the client has changed: it is at version ${client.version}, not ${ifVersion}`
  throw new RegistryError('conflict', message, 'version')
}

/** Another method leaves the keys behind. */
function keysAfter(client: Client, { tokenEndpointAuthMethod: method, jwks }: ClientChange): ClientSettings['jwks'] {
  if (jwks !== undefined) return jwks
  return method === undefined || method === 'private_key_jwt' ? client.jwks : null
}

type LogoutSettings = Pick<ClientSettings, 'backchannelLogoutUri' | 'backchannelLogoutSessionRequired'>

/** Without an address, what is asked of the messages to it goes too, unless it is said again. */
function logoutAfter(client: Client, change: ClientChange): LogoutSettings {
  const { backchannelLogoutUri: uri = client.backchannelLogoutUri, backchannelLogoutSessionRequired: asked } = change
  const kept = uri !== null && client.backchannelLogoutSessionRequired
  return { backchannelLogoutUri: uri, backchannelLogoutSessionRequired: asked ?? kept }
}

function merge(client: Client, change: ClientChange): ClientSettings {
  // A switch to a profile sets what the profile asks for.
  const set = change.profile ? profileDefaults(change.profile, change.grantTypes ?? client.grantTypes) : {}
  return {
    name: change.name ?? client.name,
    tokenEndpointAuthMethod:
      change.tokenEndpointAuthMethod ?? set.tokenEndpointAuthMethod ?? client.tokenEndpointAuthMethod,
    grantTypes: change.grantTypes ?? client.grantTypes,
    redirectUris: change.redirectUris ?? client.redirectUris,
    postLogoutRedirectUris: change.postLogoutRedirectUris ?? client.postLogoutRedirectUris,
    ...logoutAfter(client, change),
    allowedOrigins: change.allowedOrigins ?? client.allowedOrigins,
    openidScopes: change.openidScopes ?? client.openidScopes,
    firstParty: change.firstParty ?? client.firstParty,
    profile: change.profile ?? client.profile,
    dpopBoundAccessTokens: change.dpopBoundAccessTokens ?? set.dpopBoundAccessTokens ?? client.dpopBoundAccessTokens,
    requirePar: change.requirePar ?? set.requirePar ?? client.requirePar,
    jwks: keysAfter(client, change),
    exchangeFrom: change.exchangeFrom ?? client.exchangeFrom,
  }
}
