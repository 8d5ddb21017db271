import { managementScopesOfClient } from '../../registry/management-scopes.ts'
import { hasSecret, type ClientDetails, type ClientSecretHint } from '../../registry/clients/client.ts'
import { presentClient, presentSecret } from '../../registry/clients/present.ts'
import type { ClientGuard } from '../../registry/clients/update.ts'
import type { Call } from '../../http/api/operation.ts'
import { linkTo, type Links } from '../links.ts'
import { covers } from '../covers.ts'
import { requireCovers } from '../principal.ts'

export type LinkingCall = Pick<Call, 'may' | 'link' | 'principal'>

/** Refuses to give, change or end management access that the caller lacks; asked while the client's row is held. */
export function guardOf({ principal }: Pick<Call, 'principal'>): ClientGuard {
  return (client) => requireCovers(principal, managementScopesOfClient(client))
}

/** A client as this caller sees it. */
export function viewClient(call: LinkingCall, client: ClientDetails): object {
  return { ...presentClient(client), links: linksOf(call, client) }
}

/** One of its secrets, without the value. */
export function viewSecret(call: LinkingCall, client: ClientDetails, secret: ClientSecretHint): object {
  const path = `/clients/${client.id}`
  const isLast = client.secrets.length <= 1
  return {
    ...presentSecret(secret),
    links: {
      self: linkTo(call, `${path}/secrets`),
      client: linkTo(call, path),
      ...(mayWrite(call, client) && !isLast && { delete: linkTo(call, `${path}/secrets/${secret.id}`, 'DELETE') }),
    },
  }
}

function linksOf(call: LinkingCall, client: ClientDetails): Links {
  const path = `/clients/${client.id}`
  const hasSecrets = hasSecret(client.tokenEndpointAuthMethod)
  const links: Links = { self: linkTo(call, path) }
  if (hasSecrets) links.secrets = linkTo(call, `${path}/secrets`)
  if (!mayWrite(call, client)) return links
  return {
    ...links,
    ...(hasSecrets && { rotate_secret: linkTo(call, `${path}/secrets`, 'POST') }),
    replace: linkTo(call, path, 'PUT'),
    update: linkTo(call, path, 'PATCH'),
    [client.disabledAt ? 'enable' : 'disable']: linkTo(call, path, 'PATCH'),
    delete: linkTo(call, path, 'DELETE'),
  }
}

function mayWrite(call: LinkingCall, client: ClientDetails): boolean {
  return !client.builtIn && call.may('clients:write') && covers(call.principal, managementScopesOfClient(client))
}
