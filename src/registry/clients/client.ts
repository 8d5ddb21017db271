/**
 * `clients` owns the applications that may ask for tokens: what kind they are, where they may send a browser, how they
 * prove themselves and what they may ask for. It knows nothing of the protocol library, of HTTP or of the other nouns; of
 * resource servers it knows the ids and scopes that its own table refers to.
 */
import { normalAudience } from '../../lib/audience.ts'
import { normalText, plainTextProblem } from '../../lib/plain-text.ts'
import { RegistryError } from '../registry-error.ts'
import { checkedClientKeys, type ClientKeys } from './client-keys.ts'
import { checkProfile, profileDefaults } from './profiles.ts'
import { checkLogoutUri } from './logout-uri.ts'
import { originProblem, postLogoutRedirectUriProblem, redirectUriProblem } from './redirect-uri.ts'

/**
 * `web` runs on a server and keeps a secret; `spa` runs in a browser and `native` on a device, both without a secret
 * (RFC 8252 §8.5); `service` is a machine that acts for itself.
 */
export type ClientKind = 'web' | 'spa' | 'native' | 'service'
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
export const EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** Every grant that a client may be registered for. */
export const grantTypes = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  DEVICE_GRANT,
  EXCHANGE_GRANT,
] as const
export type GrantType = (typeof grantTypes)[number]
export type TokenEndpointAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
/** A set of rules that a client keeps to, beyond those for all: see profiles.ts. */
export const clientProfiles = ['baseline', 'mcp', 'fapi2'] as const
export type ClientProfile = (typeof clientProfiles)[number]
export type OpenidScope = 'openid' | 'profile' | 'email' | 'offline_access'

/** The account page's own client: part of Grantry, made by the first migration. */
export const ACCOUNT_CLIENT_ID = 'cli_grantryaccountpage22222222'

export interface Client {
  /** `cli_…`; the client_id. */
  id: string
  kind: ClientKind
  /** What people read on the consent page. */
  name: string
  tokenEndpointAuthMethod: TokenEndpointAuthMethod
  grantTypes: GrantType[]
  redirectUris: string[]
  postLogoutRedirectUris: string[]
  /** Where it is told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0 §2.2). */
  backchannelLogoutUri: string | null
  /** It can do nothing with a logout token that names no session. */
  backchannelLogoutSessionRequired: boolean
  /** Browser origins whose scripts may call the token endpoint. */
  allowedOrigins: string[]
  openidScopes: OpenidScope[]
  /** Belongs to the operator of this server: the one kind of client that may skip consent. */
  firstParty: boolean
  profile: ClientProfile
  /** Gets no token without a proof of its key (RFC 9449 §5.2). */
  dpopBoundAccessTokens: boolean
  /** Takes authorization requests only as pushed ones (RFC 9126 §6). */
  requirePar: boolean
  /** The public keys of a client that proves itself by `private_key_jwt`, and of no other. */
  jwks: ClientKeys | null
  /** Audiences whose access tokens it may exchange (RFC 8693); what it may get for them is its access. */
  exchangeFrom: string[]
  /** Part of Grantry itself: can't be disabled or deleted. */
  builtIn: boolean
  /** Registered itself, so that nobody vouches for it: never gets tokens for the management API. */
  selfRegistered: boolean
  /** Its client_id when a document there describes it; null for a client whose client_id is its id. */
  metadataUrl: string | null
  disabledAt: Date | null
  /** Counts the changes, from 1: what an ETag is made of. */
  version: number
  createdAt: Date
  updatedAt: Date
}

/** What a client may ask of one resource server. */
export interface ResourceAccess {
  resourceId: string
  audience: string
  scopes: string[]
}

/** What may be told of a client secret. */
export interface ClientSecretHint {
  id: string
  /** The last four characters. */
  hint: string
  createdAt: Date
  /** null: lives until it is rotated out. */
  expiresAt: Date | null
}

/** A client with everything that hangs on it. */
export interface ClientDetails extends Client {
  access: ResourceAccess[]
  /** Live ones only, oldest first. */
  secrets: ClientSecretHint[]
}

/** What a client may ask for at one API, and how that API wants its tokens (see registry/resources). */
export interface TokenAccess extends ResourceAccess {
  tokenFormat: 'jwt' | 'opaque'
  signingAlg: 'RS256' | 'ES256' | 'Ed25519'
  /** In seconds; null for the server's default. */
  accessTokenTtl: number | null
  tokenClaims: ('auth_time' | 'acr' | 'roles')[]
}

/** A client as the token path needs it. */
export interface ActiveClient extends Client {
  secrets: { digest: Buffer; expiresAt: Date | null }[]
  access: TokenAccess[]
}

/** What a person or program decides about a client, and may change later. */
export interface ClientSettings {
  name: string
  tokenEndpointAuthMethod: TokenEndpointAuthMethod
  grantTypes: GrantType[]
  redirectUris: string[]
  postLogoutRedirectUris: string[]
  backchannelLogoutUri: string | null
  backchannelLogoutSessionRequired: boolean
  allowedOrigins: string[]
  openidScopes: OpenidScope[]
  firstParty: boolean
  profile: ClientProfile
  dpopBoundAccessTokens: boolean
  requirePar: boolean
  jwks: ClientKeys | null
  exchangeFrom: string[]
}

/** Settings as callers give them: what is left out, or undefined, takes its default or stays as it is. */
export type GivenSettings = { [Name in keyof ClientSettings]?: ClientSettings[Name] | undefined }

interface KindRules {
  authMethods: readonly TokenEndpointAuthMethod[]
  grantTypes: readonly GrantType[]
  /** Without one of these grants a client of the kind makes no sense. */
  essentialGrants: readonly GrantType[]
  openidScopes: readonly OpenidScope[]
  defaults: { grantTypes: readonly GrantType[]; openidScopes: readonly OpenidScope[] }
}

const CODE: readonly GrantType[] = ['authorization_code', 'refresh_token']
const PEOPLE: readonly OpenidScope[] = ['openid', 'profile', 'email']
const OFFLINE: readonly OpenidScope[] = [...PEOPLE, 'offline_access']

const RULES: Record<ClientKind, KindRules> = {
  web: {
    authMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    grantTypes: [...CODE, 'client_credentials'],
    essentialGrants: ['authorization_code'],
    openidScopes: OFFLINE,
    defaults: { grantTypes: CODE, openidScopes: OFFLINE },
  },
  spa: {
    authMethods: ['none'],
    grantTypes: CODE,
    essentialGrants: ['authorization_code'],
    openidScopes: OFFLINE,
    // A page in a browser is used while someone looks at it: access that outlives the session is for those who ask.
    defaults: { grantTypes: CODE, openidScopes: PEOPLE },
  },
  native: {
    authMethods: ['none'],
    // A television or a command line has no browser of its own (RFC 8628), and may have no redirect URI either.
    grantTypes: [...CODE, DEVICE_GRANT],
    essentialGrants: ['authorization_code', DEVICE_GRANT],
    openidScopes: OFFLINE,
    defaults: { grantTypes: CODE, openidScopes: OFFLINE },
  },
  service: {
    authMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    // An API that calls other APIs for the people who call it is a service, too.
    grantTypes: ['client_credentials', EXCHANGE_GRANT],
    essentialGrants: ['client_credentials', EXCHANGE_GRANT],
    openidScopes: [],
    defaults: { grantTypes: ['client_credentials'], openidScopes: [] },
  },
}

const LONGEST_NAME = 200
const MOST_URIS = 100

export const clientKinds = Object.keys(RULES) as ClientKind[]

/** Whether a client that authenticates so does it with a secret. */
export function hasSecret(method: TokenEndpointAuthMethod): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post'
}

/**
 * Fills what was left out with the defaults of the kind. Nothing is judged here. The origins of a single-page app are
 * those of its redirect URIs: the page that receives the code is the page that redeems it.
 */
export function withDefaults(kind: ClientKind, given: GivenSettings & { name: string }): ClientSettings {
  const { authMethods, defaults } = ruleOf(kind)
  const grantTypes = given.grantTypes ?? [...defaults.grantTypes]
  const redirectUris = given.redirectUris ?? []
  const profile = given.profile ?? 'baseline'
  const set = profileDefaults(profile, grantTypes)
  return {
    name: given.name,
    // Keys that are given say by themselves how the client will prove that it has them.
    tokenEndpointAuthMethod:
      given.tokenEndpointAuthMethod ??
      set.tokenEndpointAuthMethod ??
      (given.jwks ? 'private_key_jwt' : (authMethods[0] as TokenEndpointAuthMethod)),
    grantTypes,
    redirectUris,
    postLogoutRedirectUris: given.postLogoutRedirectUris ?? [],
    backchannelLogoutUri: given.backchannelLogoutUri ?? null,
    backchannelLogoutSessionRequired: given.backchannelLogoutSessionRequired ?? false,
    allowedOrigins: given.allowedOrigins ?? (kind === 'spa' ? originsOf(redirectUris) : []),
    openidScopes:
      given.openidScopes ??
      defaults.openidScopes.filter((scope) => scope !== 'offline_access' || grantTypes.includes('refresh_token')),
    firstParty: given.firstParty ?? false,
    profile,
    dpopBoundAccessTokens: given.dpopBoundAccessTokens ?? set.dpopBoundAccessTokens ?? false,
    requirePar: given.requirePar ?? set.requirePar ?? false,
    jwks: given.jwks ?? null,
    exchangeFrom: given.exchangeFrom ?? [],
  }
}

/**
 * Holds settings against the rules of the kind and brings them into their normal form (name in NFC, no entry twice).
 * @throws RegistryError `invalid` with the field at fault
 */
export function checkedSettings(kind: ClientKind, settings: ClientSettings): ClientSettings {
  const rules = ruleOf(kind)
  const name = normalText(settings.name)
  refuse('name', plainTextProblem(name, LONGEST_NAME), 'the name')

  const checked: ClientSettings = {
    ...settings,
    name,
    grantTypes: unique(settings.grantTypes),
    redirectUris: unique(settings.redirectUris),
    postLogoutRedirectUris: unique(settings.postLogoutRedirectUris),
    allowedOrigins: unique(settings.allowedOrigins),
    openidScopes: unique(settings.openidScopes),
    jwks: settings.jwks && checkedClientKeys(settings.jwks),
    exchangeFrom: unique(settings.exchangeFrom.map(checkedAudience)),
  }
  checkAuthentication(kind, rules, checked)
  checkKeys(checked)
  checkGrantTypes(kind, rules, checked.grantTypes)
  checkExchange(checked)
  checkUris(kind, checked)
  checkOpenidScopes(kind, rules, checked)
  checkLogoutUri(kind, checked)
  if (checked.requirePar && !checked.grantTypes.includes('authorization_code')) {
    throw invalid('require_par', 'a client without authorization_code has no authorization requests to push')
  }
  if (checked.firstParty && kind === 'service') {
    throw invalid('first_party', 'a service client asks nobody for consent, so it has none to skip')
  }
  checkProfile(kind, checked)
  return checked
}

function checkAuthentication(kind: ClientKind, { authMethods }: KindRules, settings: ClientSettings): void {
  const { tokenEndpointAuthMethod: method, grantTypes } = settings
  // RFC 6749 §4.4: client credentials are for confidential clients only. The database refuses it a second time.
  if (method === 'none' && grantTypes.includes('client_credentials')) {
    throw invalid('grant_types', 'client_credentials needs a client that proves itself: none would let anyone be it')
  }
  if (!authMethods.includes(method)) {
    throw invalid(
      'token_endpoint_auth_method',
      `a ${kind} client authenticates by ${authMethods.join(' or ')}, not ${method}`,
    )
  }
}

function checkKeys({ tokenEndpointAuthMethod: method, jwks }: ClientSettings): void {
  if (method === 'private_key_jwt' && !jwks)
    throw invalid('jwks', 'private_key_jwt needs the public keys of the client')
  if (method !== 'private_key_jwt' && jwks) throw invalid('jwks', `keys are for private_key_jwt, not for ${method}`)
}

function checkGrantTypes(kind: ClientKind, rules: KindRules, grantTypes: GrantType[]): void {
  const stray = grantTypes.find((grant) => !rules.grantTypes.includes(grant))
  if (stray) throw invalid('grant_types', `a ${kind} client may use ${rules.grantTypes.join(', ')}, not ${stray}`)
  if (!rules.essentialGrants.some((grant) => grantTypes.includes(grant))) {
    throw invalid('grant_types', `a ${kind} client needs ${rules.essentialGrants.join(' or ')}`)
  }
}

function checkExchange({ grantTypes, exchangeFrom }: ClientSettings): void {
  const mayExchange = grantTypes.includes(EXCHANGE_GRANT)
  if (mayExchange && exchangeFrom.length === 0) {
    throw invalid('exchange_from', 'token exchange needs the audiences whose tokens may be exchanged')
  }
  if (!mayExchange && exchangeFrom.length > 0) {
    throw invalid('exchange_from', `this is for clients with the grant ${EXCHANGE_GRANT}`)
  }
  if (exchangeFrom.length > MOST_URIS) throw invalid('exchange_from', `there may be at most ${MOST_URIS} audiences`)
}

function checkedAudience(text: string): string {
  const audience = normalAudience(text)
  if (audience === undefined) throw invalid('exchange_from', `${shown(text)} is no audience`)
  return audience
}

function checkUris(kind: ClientKind, settings: ClientSettings): void {
  const { grantTypes, redirectUris, postLogoutRedirectUris, allowedOrigins } = settings
  for (const uri of redirectUris) refuse('redirect_uris', redirectUriProblem(uri, kind), `redirect URI ${shown(uri)}`)
  for (const uri of postLogoutRedirectUris) {
    refuse('post_logout_redirect_uris', postLogoutRedirectUriProblem(uri, kind), `post-logout URI ${shown(uri)}`)
  }
  for (const origin of allowedOrigins) refuse('allowed_origins', originProblem(origin), `origin ${shown(origin)}`)
  if (kind === 'service' && allowedOrigins.length > 0) {
    throw invalid('allowed_origins', 'a service client does not run in a browser and has no origin')
  }
  if (grantTypes.includes('authorization_code') && redirectUris.length === 0) {
    throw invalid('redirect_uris', `a ${kind} client needs at least one redirect URI`)
  }
  const longest = Math.max(redirectUris.length, postLogoutRedirectUris.length, allowedOrigins.length)
  if (longest > MOST_URIS) throw invalid('redirect_uris', `a client may have at most ${MOST_URIS} URIs of one sort`)
}

function checkOpenidScopes(kind: ClientKind, rules: KindRules, { openidScopes, grantTypes }: ClientSettings): void {
  const stray = openidScopes.find((scope) => !rules.openidScopes.includes(scope))
  if (stray) {
    const allowed = rules.openidScopes.join(', ') || 'no OpenID scopes: it acts for no person'
    throw invalid(
      'openid_scopes',
      `a ${kind} client may have ${allowed}${rules.openidScopes.length ? `, not ${shown(stray)}` : ''}`,
    )
  }
  if (openidScopes.length > 0 && !openidScopes.includes('openid')) {
    throw invalid('openid_scopes', `${openidScopes.join(', ')} without openid would never give anything`)
  }
  if (openidScopes.includes('offline_access') && !grantTypes.includes('refresh_token')) {
    throw invalid('openid_scopes', 'offline_access needs the refresh_token grant')
  }
}

function ruleOf(kind: ClientKind): KindRules {
  if (!Object.hasOwn(RULES, kind)) throw invalid('kind', `the kind must be one of ${clientKinds.join(', ')}`)
  return RULES[kind]
}

function originsOf(uris: string[]): string[] {
  return unique(uris.flatMap((uri) => URL.parse(uri)?.origin ?? []))
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}

/** A value as it may stand in a message: bounded, on one line. */
function shown(value: string): string {
  return JSON.stringify(value.length > 120 ? `${value.slice(0, 120)}…` : value)
}

function refuse(field: string, problem: string | undefined, what: string): void {
  if (problem) throw invalid(field, `${what} ${problem}`)
}

function invalid(field: string, message: string): RegistryError {
  return new RegistryError('invalid', message, field)
}
