/**
 * `declaration` owns the file in which an operator says which resources and clients there shall be: what may stand in it,
 * how it differs from what is there, and how the one becomes the other, in one transaction. It sits on top of the registry's
 * verbs, which keep their rules, events and audit log, and knows nothing of the command line or of HTTP.
 */
import { z } from 'zod'
import {
  clientKinds,
  clientProfiles,
  grantTypes,
  type OpenidScope,
  type TokenEndpointAuthMethod,
} from '../registry/clients/client.ts'
import { resourceSigningAlgs, tokenClaims, tokenFormats } from '../registry/resources/resource.ts'

const authMethods = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
] satisfies TokenEndpointAuthMethod[]
const openidScopes = ['openid', 'profile', 'email', 'offline_access'] satisfies OpenidScope[]

const scope = z.strictObject({
  name: z.string(),
  description: z.string(),
  description_de: z.string().nullable().optional(),
})

const resource = z.strictObject({
  audience: z.string(),
  name: z.string(),
  token_format: z.enum(tokenFormats).optional(),
  signing_alg: z.enum(resourceSigningAlgs).optional(),
  access_token_ttl: z.number().nullable().optional(),
  token_claims: z.array(z.enum(tokenClaims)).optional(),
  introspection_clients: z.array(z.string()).optional(),
  self_registered_scopes: z.array(z.string()).optional(),
  scopes: z.array(scope).optional(),
})

const access = z.strictObject({ resource: z.string(), scopes: z.array(z.string()) })

const client = z.strictObject({
  id: z.string().optional(),
  kind: z.enum(clientKinds),
  name: z.string(),
  token_endpoint_auth_method: z.enum(authMethods).optional(),
  grant_types: z.array(z.enum(grantTypes)).optional(),
  redirect_uris: z.array(z.string()).optional(),
  post_logout_redirect_uris: z.array(z.string()).optional(),
  backchannel_logout_uri: z.string().nullable().optional(),
  backchannel_logout_session_required: z.boolean().optional(),
  allowed_origins: z.array(z.string()).optional(),
  openid_scopes: z.array(z.enum(openidScopes)).optional(),
  first_party: z.boolean().optional(),
  profile: z.enum(clientProfiles).optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  disabled: z.boolean().optional(),
  require_par: z.boolean().optional(),
  jwks: z
    .object({ keys: z.array(z.looseObject({ kty: z.string() })) })
    .nullable()
    .optional(),
  exchange_from: z.array(z.string()).optional(),
  access: z.array(access).optional(),
})

/** What may stand in the file. What is left out of a thing takes its default; but `disabled` stays as it is. */
export const declarationSchema = z.strictObject({
  version: z.literal(1),
  resources: z.array(resource).optional(),
  clients: z.array(client).optional(),
})

export type Declaration = z.output<typeof declarationSchema>
export type DeclaredResource = z.output<typeof resource>
export type DeclaredClient = z.output<typeof client>

/** Where in the declaration: names and indexes from the root. */
export type Path = readonly (string | number)[]

/** One thing that is wrong with a file. */
export interface Mistake {
  /** From 1. */
  line: number
  column: number
  /** `clients[2].redirect_uris[0]`; empty for the whole. */
  path: string
  message: string
}

/** Nothing was changed. */
export class DeclarationError extends Error {
  override readonly name = 'DeclarationError'
  /** In the order of the file. */
  readonly mistakes: readonly Mistake[]

  constructor(mistakes: readonly Mistake[]) {
    super(mistakes.length === 1 ? 'the file has a mistake' : `the file has ${mistakes.length} mistakes`)
    this.mistakes = mistakes.toSorted((a, b) => a.line - b.line || a.column - b.column)
  }
}
