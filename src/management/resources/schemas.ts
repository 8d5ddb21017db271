/** What resources look like on the way in and on the way out. */
import { z } from 'zod'
import { resourceSigningAlgs, tokenClaims, tokenFormats } from '../../registry/resources/resource.ts'
import { flagFilter, textFilter, timeFilters } from '../filters.ts'
import { linksSchema } from '../links.ts'
import { time, versionSchema } from '../schemas.ts'

const audience = z
  .string()
  .min(1)
  .max(2000)
  .describe('An absolute URI (RFC 8707 §2): the `resource` that clients ask with, and the `aud` of its tokens.')

const scopeName = z.string().min(1).max(100).describe('As it stands in tokens.')
const scopeText = z.string().min(1).max(500).describe('As it stands on the consent page, in English.')
const germanText = z
  .string()
  .min(1)
  .max(500)
  .nullable()
  .describe('The same in German; null: the English text is shown.')

const settings = {
  name: z.string().min(1).max(200).describe('What people call it.'),
  token_format: z
    .enum(tokenFormats as ['jwt', 'opaque'])
    .describe('`jwt` (RFC 9068), which the API checks by itself, or `opaque`, for which it asks by introspection.'),
  signing_alg: z.enum(resourceSigningAlgs as ['RS256', 'ES256', 'Ed25519']).describe('How its JWTs are signed.'),
  access_token_ttl: z
    .int()
    .min(30)
    .max(86_400)
    .nullable()
    .describe('How long its access tokens live, in seconds; null: the server’s default.'),
  token_claims: z
    .array(z.enum(tokenClaims as ['auth_time', 'acr', 'roles']))
    .max(10)
    .describe('What its tokens carry beyond RFC 9068 §2.2.'),
  introspection_clients: z
    .array(z.string().min(1).max(100))
    .max(100)
    .describe('Ids of the clients that stand for the API and may introspect its tokens, whoever got them (RFC 7662).'),
  self_registered_scopes: z
    .array(z.string().min(1).max(100))
    .max(200)
    .describe('Those of its scopes that any client which registered itself may ask for. Default: none.'),
}

const givenScopes = z
  .array(
    z
      .strictObject({ name: scopeName, description: scopeText, description_de: germanText.optional() })
      .meta({ id: 'NewResourceScope' }),
  )
  .max(200)
  .describe('What clients may ask of it. The list is set as a whole; a scope that goes is taken from all clients.')

const given = z
  .object({ ...settings, scopes: givenScopes })
  .partial()
  .required({ name: true })

export const newResourceSchema = z.strictObject({ audience, ...given.shape }).meta({
  id: 'NewResource',
  description:
    'What is left out takes its default: `jwt`, `RS256`, the server’s lifetime, `auth_time` and `acr`, no scopes.',
})

export const resourceReplacementSchema = z
  .strictObject({ audience: audience.optional(), ...given.shape })
  .meta({ id: 'ResourceReplacement', description: 'What is left out takes its default. The audience never changes.' })

export const resourceChangeSchema = z
  .strictObject(given.partial().shape)
  .meta({ id: 'ResourceChange', description: 'What is left out stays as it is; lists are replaced as a whole.' })

export const resourceSchema = z
  .strictObject({
    id: z.string().describe('`res_…`'),
    audience,
    ...settings,
    scopes: z.array(
      z
        .strictObject({ name: scopeName, description: scopeText, description_de: germanText })
        .meta({ id: 'ResourceScope' }),
    ),
    built_in: z.boolean().describe('Part of Grantry itself, the management API: it can be read and nothing else.'),
    version: versionSchema,
    created_at: time('When it was registered.'),
    updated_at: time('When it last changed.'),
    links: linksSchema({
      replace: 'Sets it as a whole.',
      update: 'Changes a part of it.',
      delete: 'Removes it, with its scopes and the consents given for it.',
    }),
  })
  .meta({ id: 'Resource' })

export const resourceFilters = z.strictObject({
  audience: audience.optional().describe('Only the resource with this audience, in any spelling.'),
  token_format: settings.token_format.optional().describe('Only resources with such tokens.'),
  built_in: flagFilter('Only Grantry’s own, or only others.').optional(),
  q: textFilter('Part of the name or of the audience, in any case.', 'notes').optional(),
  ...timeFilters('created_at'),
})

export const resourceIdParams = z.strictObject({ resource_id: z.string().describe('`res_…`') })
