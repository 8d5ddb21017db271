/** What API keys look like on the way in and on the way out. */
import { z } from 'zod'
import { managementScopes } from '../../registry/management-scopes.ts'
import { LONGEST_KEY_OVERLAP, DEFAULT_KEY_OVERLAP } from '../../registry/api-keys/rotate.ts'
import { flagFilter, timeFilters } from '../filters.ts'
import { linksSchema } from '../links.ts'
import { secretsOmittedSchema, time, versionSchema } from '../schemas.ts'

const name = z.string().min(1).max(200).describe('What it is for.')
const scopes = z
  .array(z.enum(managementScopes))
  .min(1)
  .max(managementScopes.length)
  .describe('What it may do. Nobody gives a key more than they have.')

export const newApiKeySchema = z
  .strictObject({
    name,
    scopes,
    expires_at: z.iso
      .datetime({ offset: true })
      .nullable()
      .optional()
      .describe('When it ends. Left out, or null: when it is revoked.'),
  })
  .meta({ id: 'NewApiKey' })

export const apiKeyChangeSchema = z.strictObject({ name: name.optional(), scopes: scopes.optional() }).meta({
  id: 'ApiKeyChange',
  description: 'What is left out stays as it is. Scopes count from the next request with the key.',
})

export const keyRotationSchema = z
  .strictObject({
    overlap_seconds: z
      .int()
      .min(0)
      .max(LONGEST_KEY_OVERLAP)
      .default(DEFAULT_KEY_OVERLAP)
      .describe('How long the value in use still works. 0 ends it at once, as after a leak.'),
  })
  .meta({ id: 'ApiKeyRotation' })

export const apiKeySchema = z
  .strictObject({
    id: z.string().describe('`apk_…`'),
    name,
    hint: z.string().describe('The last four characters of its value.'),
    scopes: z.array(z.enum(managementScopes)).describe('What it may do.'),
    previous: z
      .strictObject({ hint: z.string(), expires_at: time('When it ends.') })
      .nullable()
      .describe('The value before the last rotation, while it still works.'),
    created_by: z.string().nullable().describe('A user, client or API key by its id, or `cli`.'),
    created_at: time('When it was made.'),
    updated_at: time('When it last changed.'),
    expires_at: time('When it ends; null: when it is revoked.').nullable(),
    last_used_at: time('When it was last used, exact to a minute.').nullable(),
    revoked_at: time('When it was revoked.').nullable(),
    version: versionSchema,
    links: linksSchema({
      update: 'Renames it, or gives it other scopes.',
      rotate: 'Gives it a new value.',
      delete: 'Revokes it. It stays in the list.',
    }),
  })
  .meta({ id: 'ApiKey' })

export const shownApiKeySchema = apiKeySchema
  .extend({
    value: z
      .string()
      .optional()
      .describe('The key itself, `grk_…`: in this answer and nowhere else, not in its replay either.'),
    secrets_omitted: secretsOmittedSchema,
  })
  .meta({ id: 'ShownApiKey' })

export const apiKeyFilters = z.strictObject({
  revoked: flagFilter('Only those that were revoked, or that were not.').optional(),
  expired: flagFilter('Only those whose time is over, or is not.').optional(),
  ...timeFilters('created_at'),
})

export const apiKeyIdParams = z.strictObject({ api_key_id: z.string().describe('`apk_…`') })
