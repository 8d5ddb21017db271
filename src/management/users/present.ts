import type { Call } from '../../http/api/operation.ts'
import { presentClientConsent } from '../../registry/consents/present.ts'
import type { ClientConsent } from '../../registry/consents/consent.ts'
import { presentSession } from '../../registry/sessions/present.ts'
import type { Session } from '../../registry/sessions/session.ts'
import { presentTokenFamily } from '../../registry/token-families/present.ts'
import type { TokenFamily } from '../../registry/token-families/token-family.ts'
import { presentUser } from '../../registry/users/present.ts'
import type { User } from '../../registry/users/user.ts'
import { linkTo, type Links } from '../links.ts'
import { isOwn, mayChange } from './privilege.ts'

type Viewer = Pick<Call, 'principal' | 'may' | 'link'>

/** A user as the management API shows it to this caller. */
export function showUser(call: Viewer, user: User): object {
  return {
    ...presentUser(user),
    disabled: user.disabledAt !== null,
    version: user.version,
    links: userLinks(call, user),
  }
}

function userLinks(call: Viewer, user: User): Links {
  const path = userPath(user.id)
  const seen = {
    self: linkTo(call, path),
    sessions: linkTo(call, `${path}/sessions`),
    consents: linkTo(call, `${path}/consents`),
    token_families: linkTo(call, `${path}/token-families`),
  }
  if (!mayChange(call, user)) return seen
  const own = isOwn(call, user.id)
  return {
    ...seen,
    update: linkTo(call, path, 'PATCH'),
    replace: linkTo(call, path, 'PUT'),
    password: linkTo(call, `${path}/password`, 'PUT'),
    sign_out: linkTo(call, `${path}/sessions`, 'DELETE'),
    ...(user.disabledAt ? { enable: linkTo(call, path, 'PATCH') } : !own && { disable: linkTo(call, path, 'PATCH') }),
    ...(!own && { delete: linkTo(call, path, 'DELETE') }),
  }
}

export function showSession(call: Viewer, user: User, session: Session): object {
  const { current: _current, ...shown } = presentSession(session)
  return { ...shown, links: partLinks(call, user, `/sessions/${session.uid}`) }
}

export function showConsent(call: Viewer, user: User, consent: ClientConsent): object {
  const { clientId } = consent
  return { ...presentClientConsent(consent), links: partLinks(call, user, `/consents/${clientId}`, clientId) }
}

export function showTokenFamily(call: Viewer, user: User, family: TokenFamily): object {
  const { id, clientId } = family
  return { ...presentTokenFamily(family), links: partLinks(call, user, `/token-families/${id}`, clientId) }
}

function partLinks(call: Viewer, user: User, part: string, clientId?: string): Links {
  const path = userPath(user.id)
  return {
    self: linkTo(call, path + part),
    user: linkTo(call, path),
    ...(clientId !== undefined && call.may('clients:read') && { client: linkTo(call, `/clients/${clientId}`) }),
    ...(mayChange(call, user) && { delete: linkTo(call, path + part, 'DELETE') }),
  }
}

export function userPath(id: string): string {
  return `/users/${id}`
}
