/** What clients look like on the way in and on the way out. */
import { z } from 'zod'
import { clientKinds, clientProfiles, grantTypes } from '../../registry/clients/client.ts'
import { flagFilter, textFilter, timeFilters } from '../filters.ts'
import { linksSchema } from '../links.ts'
import { secretsOmittedSchema, time, versionSchema } from '../schemas.ts'

const id = 'cli_k5xqzv3n7c2m4d6f7g2h3j4k5a'
const uris = (description: string) => z.array(z.string().min(1).max(2000)).max(100).describe(description)

const kind = z
  .enum(clientKinds as ['web', 'spa', 'native', 'service'])
  .describe(
    '`web` runs on a server and keeps a secret, `spa` runs in a browser, `native` on a device, `service` is a machine that acts for itself. It never changes.',
  )

// Open, as RFC 7517 §4 asks: what we don't use may stand there and is not kept. Private parts are refused, not dropped.
const clientKey = z
  .looseObject({
    kty: z.enum(['EC', 'OKP', 'RSA']),
    kid: z.string().max(200).optional(),
    use: z.string().max(20).optional(),
    alg: z.string().max(20).optional(),
    crv: z.string().max(20).optional(),
    x: z.string().max(100).optional(),
    y: z.string().max(100).optional(),
    n: z.string().max(2000).optional(),
    e: z.string().max(20).optional(),
  })
  .meta({ id: 'ClientKey', description: 'A public JWK: EC P-256, OKP Ed25519 or RSA with 2048 bits or more.' })

const settings = {
  name: z.string().min(1).max(200).describe('What people read on the consent page.'),
  token_endpoint_auth_method: z
    .enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .describe(
      'How it proves itself at the token endpoint. Default: `client_secret_basic`, `private_key_jwt` where keys are given, or `none` for those that can keep neither.',
    ),
  grant_types: z.array(z.enum(grantTypes)).max(10).describe('Default: what the kind usually needs.'),
  redirect_uris: uris('Where a browser may be sent with a code, character by character.'),
  post_logout_redirect_uris: uris('Where a browser may be sent after logout.'),
  backchannel_logout_uri: z
    .string()
    .min(1)
    .max(2000)
    .nullable()
    .describe('Where it is told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0).'),
  backchannel_logout_session_required: z
    .boolean()
    .describe('Logout tokens must name the session. Here they always do. Default: false.'),
  allowed_origins: uris(
    'Browser origins whose scripts may call the token endpoint. Default for `spa`: those of its redirect URIs.',
  ),
  openid_scopes: z
    .array(z.enum(['openid', 'profile', 'email', 'offline_access']))
    .max(10)
    .describe('What it may learn of people. Default: what the kind usually needs.'),
  first_party: z.boolean().describe('It is the operator’s own and may skip consent.'),
  profile: z
    .enum(clientProfiles)
    .describe(
      '`baseline` (RFC 9700), `mcp` (a resource is always named) or `fapi2` (pushed requests, DPoP, private_key_jwt). Default: `baseline`.',
    ),
  dpop_bound_access_tokens: z
    .boolean()
    .describe('It gets no token without a DPoP proof of its key (RFC 9449). Default: false.'),
  require_par: z
    .boolean()
    .describe('It must push its authorization requests (RFC 9126): one that is made by address is refused.'),
  jwks: z
    .strictObject({ keys: z.array(clientKey).min(1).max(10) })
    .nullable()
    .describe('Its public keys, for `private_key_jwt` and for nothing else (RFC 7517 §5).'),
  exchange_from: z
    .array(z.string().min(1).max(2000))
    .max(100)
    .describe('Audiences whose access tokens it may exchange for tokens of what it has access to (RFC 8693).'),
  access: z
    .array(
      z
        .strictObject({
          resource: z.string().min(1).max(2000).describe('A resource, by its id or its audience.'),
          scopes: z.array(z.string().min(1).max(100)).min(1).max(200).describe('Scopes of that resource.'),
        })
        .meta({ id: 'ClientAccessRequest' }),
    )
    .max(200)
    .describe('What it may ask of resources. The list is set as a whole.'),
}

const given = z.object(settings).partial().required({ name: true })

export const newClientSchema = z.strictObject({ kind, ...given.shape }).meta({ id: 'NewClient' })

export const clientReplacementSchema = z.strictObject({ kind: kind.optional(), ...given.shape }).meta({
  id: 'ClientReplacement',
  description: 'What is left out takes its default. Whether the client is disabled stays as it is.',
})

export const clientChangeSchema = z
  .strictObject({
    ...given.partial().shape,
    disabled: z.boolean().optional().describe('true shuts the client out and ends its tokens; false lets it in again.'),
  })
  .meta({ id: 'ClientChange', description: 'What is left out stays as it is; lists are replaced as a whole.' })

const secretHint = {
  id: z.string().describe('`sec_…`'),
  hint: z.string().describe('The last four characters.'),
  created_at: time('When it was made.'),
  expires_at: time('When it ends; null: when it is rotated out.').nullable(),
}

export const clientSchema = z
  .strictObject({
    id: z.string().describe('`cli_…`; the client_id.'),
    kind,
    name: settings.name,
    token_endpoint_auth_method: settings.token_endpoint_auth_method,
    grant_types: settings.grant_types,
    redirect_uris: settings.redirect_uris,
    post_logout_redirect_uris: settings.post_logout_redirect_uris,
    backchannel_logout_uri: settings.backchannel_logout_uri,
    backchannel_logout_session_required: settings.backchannel_logout_session_required,
    allowed_origins: settings.allowed_origins,
    openid_scopes: settings.openid_scopes,
    first_party: settings.first_party,
    profile: settings.profile,
    dpop_bound_access_tokens: settings.dpop_bound_access_tokens,
    require_par: settings.require_par,
    jwks: settings.jwks,
    exchange_from: settings.exchange_from,
    built_in: z.boolean().describe('Part of Grantry itself: it can be read and nothing else.'),
    self_registered: z
      .boolean()
      .describe(
        'It registered itself: it may ask for what resources open to such clients, and always asks for consent.',
      ),
    metadata_url: z
      .string()
      .nullable()
      .describe('Its `client_id` when a document there describes it; null for a client whose `client_id` is its `id`.'),
    disabled: z.boolean(),
    disabled_at: time('When it was disabled.').nullable(),
    access: z
      .array(
        z
          .strictObject({ resource_id: z.string(), audience: z.string(), scopes: z.array(z.string()) })
          .meta({ id: 'ClientAccess' }),
      )
      .describe('What it may ask of resources.'),
    secrets: z
      .array(z.strictObject(secretHint).meta({ id: 'ClientSecretHint' }))
      .describe('Its live secrets, oldest first, without their values.'),
    version: versionSchema,
    created_at: time('When it was registered.'),
    updated_at: time('When it last changed.'),
    links: linksSchema({
      secrets: 'Its secrets.',
      rotate_secret: 'Gives it a new secret.',
      replace: 'Sets it as a whole.',
      update: 'Changes a part of it.',
      disable: 'Shuts it out, with `{"disabled": true}`.',
      enable: 'Lets it in again, with `{"disabled": false}`.',
      delete: 'Removes it.',
    }),
  })
  .meta({ id: 'Client' })

const secretValue = 'The secret itself: in this answer and nowhere else, not in its replay either.'

export const createdClientSchema = clientSchema
  .extend({
    client_secret: z.string().nullish().describe(`${secretValue} null for clients without one.`),
    secrets_omitted: secretsOmittedSchema,
  })
  .meta({ id: 'CreatedClient' })

export const clientFilters = z.strictObject({
  kind: kind.optional().describe('Only clients of this kind.'),
  disabled: flagFilter('Only those that are disabled, or that are not.').optional(),
  first_party: flagFilter('Only the operator’s own, or only others.').optional(),
  q: textFilter('Part of the name or of the id, in any case.', 'notes').optional(),
  ...timeFilters('created_at'),
})

export const clientSecretSchema = z
  .strictObject({ ...secretHint, links: linksSchema({ client: 'Whose it is.', delete: 'Ends it at once.' }) })
  .meta({ id: 'ClientSecret' })

export const newClientSecretSchema = z
  .strictObject({
    ...clientSecretSchema.shape,
    client_secret: z.string().optional().describe(secretValue),
    secrets_omitted: secretsOmittedSchema,
  })
  .meta({ id: 'NewClientSecret' })

export const secretRotationSchema = z
  .strictObject({
    overlap_seconds: z
      .int()
      .min(0)
      .max(30 * 86_400)
      .default(86_400)
      .describe('How long the secret in use still works. 0 ends it at once, as after a leak.'),
  })
  .meta({ id: 'SecretRotation' })

export const clientIdParams = z.strictObject({ client_id: z.string().describe('`cli_…`').meta({ example: id }) })

export const secretIdParams = clientIdParams.extend({ secret_id: z.string().describe('`sec_…`') })
