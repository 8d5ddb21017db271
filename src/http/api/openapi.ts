/** OpenAPI 3.1 of an API, made from the declarations that route, authorize and validate it, so that they can't part ways. */
import type { ProblemCatalogue } from '../problem.ts'
import { vendorType } from './negotiation.ts'
import { parametersOf, sharedParameters } from './openapi-parameters.ts'
import { inputErrorSchema, problemSchema } from './openapi-problems.ts'
import { responsesOf, sharedHeaders, type ResponseContext } from './openapi-responses.ts'
import { collectSchemas, type Json, type Schemas } from './openapi-schemas.ts'
import { bodyTypes } from './request-body.ts'
import type { Access, BodyRules, Operation } from './operation.ts'

/** What the document needs to know of a version; `ApiVersion` of the kit is one. */
export interface DocumentedVersion {
  number: number
  operations: readonly Operation[]
  deprecated?: object
  removed?: boolean
}

export interface OpenApiOptions {
  title: string
  /** Of the API's description; what `info.version` says. */
  version: string
  description: string
  origin: string
  /** `/api` */
  base: string
  /** `grantry`: media types are `application/vnd.grantry.v1+json`. */
  vendor: string
  /** Those that are told of. Operations of versions other than the default have their number at the end of their id. */
  versions: readonly DocumentedVersion[]
  defaultVersion: number
  catalogue: ProblemCatalogue
  /** `https://auth.example.com/problems#` */
  typeBase: string
  /** Descriptions of the tags, in the order in which they stand. */
  tags: Readonly<Record<string, string>>
  security: SecurityOptions
  /** Default: the MIT licence. */
  license?: { name: string; identifier?: string; url?: string }
  contact?: { name?: string; url?: string; email?: string }
  /** What the API sends by itself, as path items by name. */
  webhooks?: Readonly<Record<string, object>>
  /** What `webhooks` refers to, beyond the schemas of the operations. */
  components?: Readonly<Partial<Record<'parameters' | 'responses', Readonly<Record<string, Json>>>>>
}

export interface SecurityOptions {
  /** Access tokens of this authorization server. */
  oauth?: {
    authorizationEndpoint: string
    tokenEndpoint: string
    /** Every scope of the API, in words. */
    scopes: Readonly<Record<string, string>>
  }
  /** API keys, as a bearer and in `X-API-Key`. */
  apiKeys?: boolean
}

export interface OpenApiDocument {
  openapi: '3.1.1'
  info: { title: string; version: string; description: string } & Json
  servers: { url: string; description?: string }[]
  tags: { name: string; description: string }[]
  paths: Record<string, PathItem>
  webhooks?: Readonly<Record<string, object>>
  components: Record<string, Record<string, Json>>
}

export type PathItem = Record<string, DocumentedOperation>

export interface DocumentedOperation {
  operationId: string
  tags: string[]
  summary: string
  description?: string
  deprecated?: true
  security: Record<string, string[]>[]
  parameters: Json[]
  requestBody?: Json
  responses: Record<string, Json>
}

/** The document; the same for the same options, so that its ETag holds. */
export function openApiDocument(options: OpenApiOptions): OpenApiDocument {
  const schemas = collectSchemas()
  schemas.named('Problem', problemSchema)
  schemas.named('InputError', inputErrorSchema)
  const responses = new Map<string, Json>()
  const paths: Record<string, PathItem> = {}
  for (const version of options.versions) {
    if (version.removed) continue
    const context = {
      ...options,
      schemas,
      responses,
      isDeprecated: version.deprecated !== undefined,
      urlOf: (path: string) => `${options.origin}${options.base}/v${version.number}${path}`,
      vendorType: vendorType(options.vendor, version.number),
    }
    for (const operation of version.operations) {
      const path = `/v${version.number}${operation.path}`
      const item = (paths[path] ??= {})
      item[operation.method.toLowerCase()] = describe(operation, version, options, context)
    }
  }
  const { title, version, description, license = { name: 'MIT', identifier: 'MIT' }, contact } = options
  return withoutUnused({
    openapi: '3.1.1',
    info: { title, version, description, license, ...(contact && { contact }) },
    servers: [{ url: options.origin + options.base }],
    tags: tagsOf(options),
    paths,
    ...(options.webhooks && { webhooks: options.webhooks }),
    components: {
      securitySchemes: securitySchemes(options.security),
      parameters: { ...sharedParameters, ...options.components?.parameters },
      headers: { ...sharedHeaders },
      responses: {
        ...Object.fromEntries([...responses].sort(([a], [b]) => (a < b ? -1 : 1))),
        ...options.components?.responses,
      },
      schemas: schemas.components(),
    },
  })
}

/** Keeps only the components that something refers to. */
function withoutUnused(document: OpenApiDocument): OpenApiDocument {
  const used = new Set<string>()
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    const { $ref } = value as Json
    if (typeof $ref === 'string' && !used.has($ref)) {
      used.add($ref)
      const [, kind = '', name = ''] = /^#\/components\/(\w+)\/(.+)$/.exec($ref) ?? []
      visit(document.components[kind]?.[name])
    }
    Object.values(value).forEach(visit)
  }
  visit([document.paths, document.webhooks])
  const kept = Object.entries(document.components).map(([kind, entries]) => [
    kind,
    kind === 'securitySchemes'
      ? entries
      : Object.fromEntries(Object.entries(entries).filter(([name]) => used.has(`#/components/${kind}/${name}`))),
  ])
  return { ...document, components: Object.fromEntries(kept) as OpenApiDocument['components'] }
}

function tagsOf({ tags, versions }: OpenApiOptions): { name: string; description: string }[] {
  const used = new Set(
    versions.filter(({ removed }) => !removed).flatMap(({ operations }) => operations.map(({ tag }) => tag)),
  )
  const ordered = [
    ...Object.keys(tags).filter((name) => used.has(name)),
    ...[...used].filter((name) => !(name in tags)),
  ]
  return ordered.map((name) => ({ name, description: tags[name] ?? name }))
}

function describe(
  operation: Operation,
  version: DocumentedVersion,
  options: OpenApiOptions,
  context: ResponseContext,
): DocumentedOperation {
  const { id, tag, summary, description, access, body } = operation
  return {
    operationId: version.number === options.defaultVersion ? id : `${id}V${version.number}`,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(version.deprecated && { deprecated: true as const }),
    security: securityOf(access, options.security),
    parameters: parametersOf(operation, context.schemas),
    ...(body && { requestBody: requestBody(operation, body, context.schemas) }),
    responses: responsesOf(operation, context) as Record<string, Json>,
  }
}

function requestBody(
  operation: Operation,
  { schema, examples = {}, optional }: BodyRules<unknown>,
  schemas: Schemas,
): Json {
  const shown = Object.entries(examples).map(([name, value]) => [name, { value }])
  const media = {
    schema: schemas.input(schema),
    ...(shown.length > 0 && { examples: Object.fromEntries(shown) as Json }),
  }
  return {
    required: !optional,
    content: Object.fromEntries(bodyTypes(operation).map((type) => [type, media])),
  }
}

function securitySchemes({ oauth, apiKeys }: SecurityOptions): Record<string, Json> {
  return {
    ...(oauth && {
      oauth: {
        type: 'oauth2',
        description: 'An access token of the authorization server, with this API as its audience.',
        flows: {
          authorizationCode: {
            authorizationUrl: oauth.authorizationEndpoint,
            tokenUrl: oauth.tokenEndpoint,
            refreshUrl: oauth.tokenEndpoint,
            scopes: oauth.scopes,
          },
          clientCredentials: { tokenUrl: oauth.tokenEndpoint, scopes: oauth.scopes },
        },
      },
    }),
    ...(apiKeys && {
      api_key_bearer: { type: 'http', scheme: 'bearer', description: 'An API key: `Authorization: Bearer <key>`.' },
      api_key_header: {
        type: 'apiKey',
        in: 'header',
        name: 'X-API-Key',
        description: 'An API key in a header of its own.',
      },
    }),
  }
}

/** Any one of the schemes will do, each with the scope. */
function securityOf(access: Access, security: SecurityOptions): Record<string, string[]>[] {
  if (access === 'public') return []
  const scopes = access === 'authenticated' ? [] : [access.scope]
  return Object.keys(securitySchemes(security)).map((name) => ({ [name]: scopes }))
}
