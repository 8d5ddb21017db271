/** Holds a declaration against the registry's rules and against what there is, and finds every mistake at once. */
import { normalAudience } from '../lib/audience.ts'
import { isId } from '../lib/ids.ts'
import { normalText } from '../lib/plain-text.ts'
import {
  checkedSettings,
  EXCHANGE_GRANT,
  withDefaults,
  type ClientDetails,
  type ClientKind,
  type ClientSettings,
  type GivenSettings,
} from '../registry/clients/client.ts'
import { requireLogoutUri } from '../registry/clients/logout-uri.ts'
import { originProblem, postLogoutRedirectUriProblem, redirectUriProblem } from '../registry/clients/redirect-uri.ts'
import { RegistryError } from '../registry/registry-error.ts'
import {
  checkedResourceSettings,
  withResourceDefaults,
  type GivenResourceSettings,
  type Resource,
  type ResourceSettings,
} from '../registry/resources/resource.ts'
import type { Declaration, DeclaredClient, DeclaredResource, Path } from './declaration.ts'
import type { State } from './state.ts'

export interface DesiredResource {
  audience: string
  settings: ResourceSettings
  /** What it is now; undefined: it shall be made. */
  existing: Resource | undefined
}

export interface DesiredClient {
  /** As declared; without it the client is known by its name. */
  id: string | undefined
  kind: ClientKind
  settings: ClientSettings
  /** undefined: as it is. */
  disabled: boolean | undefined
  access: { audience: string; scopes: string[] }[]
  existing: ClientDetails | undefined
}

export interface Desired {
  /** Undefined: the file doesn't speak of them. */
  resources: DesiredResource[] | undefined
  clients: DesiredClient[] | undefined
}

export type Report = (path: Path, message: string) => void

/** @param prune whether resources that the file leaves out will go */
export function desiredOf(
  declaration: Declaration,
  state: State,
  { prune, allowPrivate }: { prune: boolean; allowPrivate: boolean },
  report: Report,
): Desired {
  const resources = declaration.resources?.map((declared, index) =>
    desiredResource(declared, state, within(report, ['resources', index])),
  )
  refuseTwice(
    resources ?? [],
    ({ audience }) => audience,
    (index) => report(['resources', index, 'audience'], 'stands here twice'),
  )

  const offered = offeredScopes(resources, state, prune)
  const clients = declaration.clients?.map((declared, index) =>
    desiredClient(declared, { state, offered, allowPrivate }, within(report, ['clients', index])),
  )
  refuseTwice(clients ?? [], keyOf, (index) =>
    report(['clients', index], 'is declared twice: give each an id of its own'),
  )
  return { resources, clients }
}

function within(report: Report, prefix: Path): Report {
  return (path, message) => report([...prefix, ...path], message)
}

function refuseTwice<T>(items: readonly T[], keyOf: (item: T) => string, tell: (index: number) => void): void {
  const seen = new Set<string>()
  for (const [index, item] of items.entries()) {
    if (seen.has(keyOf(item))) tell(index)
    seen.add(keyOf(item))
  }
}

function keyOf({ existing, id, settings }: DesiredClient): string {
  return existing?.id ?? id ?? `name ${settings.name}`
}

function desiredResource(declared: DeclaredResource, state: State, report: Report): DesiredResource {
  const audience = normalAudience(declared.audience)
  if (audience === undefined) {
    report(['audience'], 'must be an absolute URI without fragment or credentials, such as https://api.example.com')
  }
  const existing = state.resources.find((resource) => resource.audience === audience)
  if (existing?.builtIn) report(['audience'], 'is part of Grantry itself and not declared')
  const scopes = declared.scopes?.map(({ name, description, description_de: descriptionDe = null }) => {
    return { name, description, descriptionDe }
  })
  const good = scopes?.filter((scope, index) => {
    const error = complaint(() => checkedResourceSettings(withResourceDefaults({ name: 'x', scopes: [scope] })))
    if (error) report(['scopes', index], error.message)
    return !error
  })
  const given: GivenResourceSettings & { name: string } = {
    name: declared.name,
    tokenFormat: declared.token_format,
    signingAlg: declared.signing_alg,
    accessTokenTtl: declared.access_token_ttl,
    tokenClaims: declared.token_claims,
    introspectionClients: declared.introspection_clients,
    selfRegisteredScopes: declared.self_registered_scopes,
    scopes: good,
  }
  const settings = judge(
    (settings: typeof given) => checkedResourceSettings(withResourceDefaults(settings)),
    given,
    { name: 'x', accessTokenTtl: null, introspectionClients: [], selfRegisteredScopes: [], scopes: [] },
    report,
  )
  return { audience: audience ?? declared.audience, settings, existing }
}

/** By audience, the scopes that each resource will have. */
function offeredScopes(desired: DesiredResource[] | undefined, state: State, prune: boolean): Map<string, Set<string>> {
  const stays = state.resources.filter(({ builtIn }) => builtIn || !desired || !prune)
  const all = [...stays, ...(desired ?? []).map(({ audience, settings }) => ({ audience, scopes: settings.scopes }))]
  return new Map(all.map(({ audience, scopes }) => [audience, new Set(scopes.map(({ name }) => name))]))
}

function desiredClient(
  declared: DeclaredClient,
  { state, offered, allowPrivate }: { state: State; offered: Map<string, Set<string>>; allowPrivate: boolean },
  report: Report,
): DesiredClient {
  const { id, kind } = declared
  const existing = findExisting(declared, state, report)
  if (id !== undefined && !isId('cli', id)) report(['id'], 'must be an id as grantry export writes it, or left out')
  if (existing?.builtIn) report(['id'], 'is part of Grantry itself and not declared')
  if (existing?.selfRegistered) report(['id'], 'is of a client that registered itself, which is not declared')
  if (existing && existing.kind !== kind) report(['kind'], `never changes: it is ${existing.kind}`)
  const settings = clientSettings(declared, report)
  const { backchannelLogoutUri: uri } = settings
  const refusal = complaint(() => requireLogoutUri(uri, { allowPrivate }))
  if (refusal && uri !== existing?.backchannelLogoutUri) report(['backchannel_logout_uri'], refusal.message)
  return {
    id,
    kind,
    settings,
    disabled: declared.disabled,
    access: desiredAccess(declared.access ?? [], offered, report),
    existing,
  }
}

function findExisting({ id, name }: DeclaredClient, { clients }: State, report: Report): ClientDetails | undefined {
  if (id !== undefined) return clients.find((client) => client.id === id)
  const normal = normalText(name)
  const namesakes = clients.filter((client) => client.name === normal && !client.builtIn && !client.selfRegistered)
  if (namesakes.length > 1) {
    report(['name'], `is that of ${namesakes.map((client) => client.id).join(' and ')}: say by id which is meant`)
  }
  return namesakes[0]
}

function clientSettings(declared: DeclaredClient, report: Report): ClientSettings {
  const { kind } = declared
  const entries = [
    ['redirect_uris', (uri: string) => redirectUriProblem(uri, kind)],
    ['post_logout_redirect_uris', (uri: string) => postLogoutRedirectUriProblem(uri, kind)],
    ['allowed_origins', originProblem],
  ] as const
  for (const [field, problemOf] of entries) {
    for (const [index, value] of (declared[field] ?? []).entries()) {
      const problem = problemOf(value)
      if (problem) report([field, index], problem)
    }
  }
  const given: GivenSettings & { name: string } = {
    name: declared.name,
    tokenEndpointAuthMethod: declared.token_endpoint_auth_method,
    grantTypes: declared.grant_types,
    redirectUris: declared.redirect_uris?.filter((uri) => !redirectUriProblem(uri, kind)),
    postLogoutRedirectUris: declared.post_logout_redirect_uris?.filter(
      (uri) => !postLogoutRedirectUriProblem(uri, kind),
    ),
    backchannelLogoutUri: declared.backchannel_logout_uri,
    backchannelLogoutSessionRequired: declared.backchannel_logout_session_required,
    allowedOrigins: declared.allowed_origins?.filter((origin) => !originProblem(origin)),
    openidScopes: declared.openid_scopes,
    firstParty: declared.first_party,
    profile: declared.profile,
    dpopBoundAccessTokens: declared.dpop_bound_access_tokens,
    requirePar: declared.require_par,
    jwks: declared.jwks as ClientSettings['jwks'] | undefined,
    exchangeFrom: declared.exchange_from,
  }
  const neutral: Partial<typeof given> = {
    name: 'x',
    tokenEndpointAuthMethod: undefined,
    grantTypes: undefined,
    redirectUris: kind === 'service' ? [] : ['https://neutral.example/callback'],
    postLogoutRedirectUris: [],
    backchannelLogoutUri: null,
    backchannelLogoutSessionRequired: false,
    allowedOrigins: [],
    openidScopes: undefined,
    firstParty: false,
    profile: undefined,
    dpopBoundAccessTokens: false,
    requirePar: false,
    jwks: undefined,
    exchangeFrom: declared.grant_types?.includes(EXCHANGE_GRANT) ? ['https://neutral.example'] : [],
  }
  // All of them were bad, and each is reported: that there is none left is no mistake of its own.
  const told = (declared.redirect_uris?.length ?? 0) > 0 && given.redirectUris?.length === 0
  if (told) given.redirectUris = neutral.redirectUris
  return judge((settings: typeof given) => checkedSettings(kind, withDefaults(kind, settings)), given, neutral, report)
}

function desiredAccess(
  requests: NonNullable<DeclaredClient['access']>,
  offered: Map<string, Set<string>>,
  report: Report,
): DesiredClient['access'] {
  const wanted = new Map<string, Set<string>>()
  for (const [index, { resource, scopes }] of requests.entries()) {
    const audience = normalAudience(resource) ?? resource
    const known = offered.get(audience)
    if (!known) {
      report(['access', index, 'resource'], 'is no audience of a resource, in this file or on the server')
      continue
    }
    if (scopes.length === 0) report(['access', index, 'scopes'], 'must name at least one scope')
    for (const [position, scope] of scopes.entries()) {
      if (!known.has(scope)) report(['access', index, 'scopes', position], `is no scope of ${audience}`)
    }
    wanted.set(audience, new Set([...(wanted.get(audience) ?? []), ...scopes]))
  }
  return [...wanted].map(([audience, scopes]) => ({ audience, scopes: [...scopes] }))
}

/**
 * The registry's check tells the first mistake. To find the others, what is wrong is replaced by what can't be, and the
 * check is asked again.
 */
function judge<Given extends object, Checked>(
  check: (given: Given) => Checked,
  given: Given,
  neutral: Partial<Given>,
  report: Report,
): Checked {
  const left = new Set(Object.keys(neutral))
  for (let current = given; ;) {
    const error = complaint(() => check(current))
    if (!error) return check(current)
    const { field = '', message } = error
    report([field], message)
    const name = camelCase(field)
    if (!left.delete(name)) return check({ ...current, ...neutral })
    current = { ...current, [name]: neutral[name as keyof Given] }
  }
}

function complaint(work: () => unknown): RegistryError | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    if (error instanceof RegistryError) return error
    throw error
  }
}

function camelCase(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}
