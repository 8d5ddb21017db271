/**
 * `resources` owns the APIs that tokens are made for: their audience, their scopes in words, and how their access tokens
 * look. It knows nothing of the protocol library, of HTTP or of the other nouns.
 */
import { normalAudience } from '../../lib/audience.ts'
import { isId } from '../../lib/ids.ts'
import { normalText, plainTextProblem } from '../../lib/plain-text.ts'
import { RegistryError } from '../registry-error.ts'

export type TokenFormat = 'jwt' | 'opaque'
export type ResourceSigningAlg = 'RS256' | 'ES256' | 'Ed25519'
export type TokenClaim = 'auth_time' | 'acr' | 'roles'

export const tokenFormats: readonly TokenFormat[] = ['jwt', 'opaque']
export const resourceSigningAlgs: readonly ResourceSigningAlg[] = ['RS256', 'ES256', 'Ed25519']
export const tokenClaims: readonly TokenClaim[] = ['auth_time', 'acr', 'roles']

export interface ResourceScope {
  /** As it stands in tokens. */
  name: string
  /** As it stands on the consent page, in English. */
  description: string
  /** The same in German; null falls back to the English one. */
  descriptionDe: string | null
}

export interface Resource {
  /** `res_…` */
  id: string
  /** The resource indicator and `aud` of its tokens: an absolute URI in its normal form. Never changes. */
  audience: string
  name: string
  /** `jwt` as of RFC 9068, which the API checks by itself, or `opaque`, for which it asks by introspection. */
  tokenFormat: TokenFormat
  signingAlg: ResourceSigningAlg
  /** In seconds; null for the server's default. */
  accessTokenTtl: number | null
  /** Claims beyond those of RFC 9068 §2.2 that its tokens carry. */
  tokenClaims: TokenClaim[]
  /** Ids of the clients that stand for the API: they may introspect its tokens, whoever got them (RFC 7662 §2.1). */
  introspectionClients: string[]
  /** Those of its scopes that any client which registered itself may ask for. */
  selfRegisteredScopes: string[]
  /** By name. */
  scopes: ResourceScope[]
  /** Part of Grantry itself, the management API: can't be changed or deleted. */
  builtIn: boolean
  /** Counts the changes, from 1: what an ETag is made of. */
  version: number
  createdAt: Date
  updatedAt: Date
}

/** What may be decided about a resource, and changed later. */
export interface ResourceSettings {
  name: string
  tokenFormat: TokenFormat
  signingAlg: ResourceSigningAlg
  accessTokenTtl: number | null
  tokenClaims: TokenClaim[]
  introspectionClients: string[]
  selfRegisteredScopes: string[]
  scopes: ResourceScope[]
}

/** Settings as callers give them: what is left out, or undefined, takes its default or stays as it is. */
export type GivenResourceSettings = { [Name in keyof ResourceSettings]?: ResourceSettings[Name] | undefined }

/** RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) */
const SCOPE_NAME = /^[!#-[\]-~]+$/
/** OpenID Connect gives these a meaning of their own: a resource that took one would get its claims, or give them away. */
const OPENID_SCOPES = ['openid', 'profile', 'email', 'address', 'phone', 'offline_access']
const LONGEST_SCOPE = 100
const LONGEST_NAME = 200
const LONGEST_DESCRIPTION = 500
const MOST_SCOPES = 200
const MOST_CLIENTS = 100
const SHORTEST_TTL = 30
const LONGEST_TTL = 86_400

export function withResourceDefaults(given: GivenResourceSettings & { name: string }): ResourceSettings {
  return {
    name: given.name,
    tokenFormat: given.tokenFormat ?? 'jwt',
    signingAlg: given.signingAlg ?? 'RS256',
    accessTokenTtl: given.accessTokenTtl ?? null,
    tokenClaims: given.tokenClaims ?? ['auth_time', 'acr'],
    introspectionClients: given.introspectionClients ?? [],
    selfRegisteredScopes: given.selfRegisteredScopes ?? [],
    scopes: given.scopes ?? [],
  }
}

/**
 * The normal form of an audience (RFC 8707 §2).
 * @throws RegistryError `invalid`
 */
export function checkedAudience(text: string): string {
  const audience = normalAudience(text)
  if (audience !== undefined) return audience
  const hint = 'an absolute URI without fragment or credentials, such as https://api.example.com'
  throw new RegistryError('invalid', `the audience must be ${hint} (RFC 8707 §2)`, 'audience')
}

/**
 * Holds settings against the rules and brings text into its normal form.
 * @throws RegistryError `invalid` with the field at fault
 */
export function checkedResourceSettings(settings: ResourceSettings): ResourceSettings {
  const name = normalText(settings.name)
  refuse('name', plainTextProblem(name, LONGEST_NAME), 'the name')
  mustBeOneOf('token_format', settings.tokenFormat, tokenFormats)
  mustBeOneOf('signing_alg', settings.signingAlg, resourceSigningAlgs)
  for (const claim of settings.tokenClaims) mustBeOneOf('token_claims', claim, tokenClaims)
  checkTtl(settings.accessTokenTtl)
  const scopes = checkedScopes(settings.scopes)
  return {
    ...settings,
    name,
    tokenClaims: tokenClaims.filter((claim) => settings.tokenClaims.includes(claim)),
    introspectionClients: checkedClients(settings.introspectionClients),
    selfRegisteredScopes: checkedOpenScopes(settings.selfRegisteredScopes, scopes),
    scopes,
  }
}

function checkTtl(seconds: number | null): void {
  if (seconds === null) return
  if (Number.isInteger(seconds) && seconds >= SHORTEST_TTL && seconds <= LONGEST_TTL) return
  throw invalid('access_token_ttl', `the life of an access token must be ${SHORTEST_TTL} to ${LONGEST_TTL} seconds`)
}

/** Whether they exist is not asked: a client that is gone, or not made yet, introspects nothing. */
function checkedClients(ids: readonly string[]): string[] {
  const field = 'introspection_clients'
  if (ids.length > MOST_CLIENTS) throw invalid(field, `a resource may name at most ${MOST_CLIENTS} clients`)
  const stray = ids.find((id): boolean => !isId('cli', id))
  if (stray !== undefined) throw invalid(field, `${JSON.stringify(stray.slice(0, 60))} is not the id of a client`)
  return [...new Set(ids)].toSorted()
}

/** A scope that goes must be taken from this list too: should one of that name come again, it is not open unseen. */
function checkedOpenScopes(names: readonly string[], scopes: readonly ResourceScope[]): string[] {
  const stray = names.find((name) => !scopes.some((scope) => scope.name === name))
  if (stray !== undefined) {
    throw invalid(
      'self_registered_scopes',
      `${JSON.stringify(stray.slice(0, LONGEST_SCOPE))} is no scope of the resource`,
    )
  }
  return [...new Set(names)].toSorted()
}

function checkedScopes(scopes: readonly ResourceScope[]): ResourceScope[] {
  if (scopes.length > MOST_SCOPES) throw invalid('scopes', `a resource may have at most ${MOST_SCOPES} scopes`)
  const checked = scopes.map(checkedScope)
  const names = checked.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw invalid('scopes', `scope ${twice} stands there twice`)
  return checked.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function checkedScope({ name, description, descriptionDe }: ResourceScope): ResourceScope {
  if (!SCOPE_NAME.test(name) || name.length > LONGEST_SCOPE) {
    const shown = JSON.stringify(name.slice(0, LONGEST_SCOPE))
    throw invalid('scopes', `scope ${shown} must be 1 to ${LONGEST_SCOPE} visible ASCII characters without " and \\`)
  }
  if (OPENID_SCOPES.includes(name))
    throw invalid('scopes', `scope ${name} belongs to OpenID Connect; name it otherwise`)
  const english = normalText(description)
  refuse('scopes', plainTextProblem(english, LONGEST_DESCRIPTION), `the description of ${name}`)
  if (descriptionDe === null) return { name, description: english, descriptionDe }
  const german = normalText(descriptionDe)
  refuse('scopes', plainTextProblem(german, LONGEST_DESCRIPTION), `the German description of ${name}`)
  return { name, description: english, descriptionDe: german }
}

function mustBeOneOf<T extends string>(field: string, value: T, allowed: readonly T[]): void {
  if (!allowed.includes(value)) throw invalid(field, `${field} must be one of ${allowed.join(', ')}`)
}

function refuse(field: string, problem: string | undefined, what: string): void {
  if (problem) throw invalid(field, `${what} ${problem}`)
}

function invalid(field: string, message: string): RegistryError {
  return new RegistryError('invalid', message, field)
}
