/** Operations on API keys. A key is handed out only to those who have all that it may do; anybody may take something away. */
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import type { ApiKey, ApiKeyGuard } from '../../registry/api-keys/api-key.ts'
import { createApiKey } from '../../registry/api-keys/create.ts'
import { presentApiKey } from '../../registry/api-keys/present.ts'
import { findApiKeyById, listApiKeys } from '../../registry/api-keys/queries.ts'
import { revokeApiKey } from '../../registry/api-keys/revoke.ts'
import { rotateApiKey } from '../../registry/api-keys/rotate.ts'
import { updateApiKey } from '../../registry/api-keys/update.ts'
import { covers } from '../covers.ts'
import { timeRange } from '../filters.ts'
import { linkTo } from '../links.ts'
import { requireCovers } from '../principal.ts'
import { problem } from '../problems.ts'
import {
  apiKeyChangeSchema,
  apiKeyFilters,
  apiKeyIdParams,
  apiKeySchema,
  keyRotationSchema,
  newApiKeySchema,
  shownApiKeySchema,
} from './schemas.ts'

const tag = 'API keys'
const READ = { scope: 'api-keys:read' }
const WRITE = { scope: 'api-keys:write' }

const list = operation({
  id: 'listApiKeys',
  method: 'GET',
  path: '/api-keys',
  tag,
  summary: 'List API keys',
  description: 'The revoked and expired among them.',
  access: READ,
  query: apiKeyFilters,
  list: {
    sort: ['created_at', 'name', 'last_used_at'],
    defaultSort: '-created_at',
    paging: ['cursor', 'offset'],
    csv: ['id', 'name', 'hint', 'scopes', 'created_by', 'created_at', 'expires_at', 'last_used_at', 'revoked_at'],
  },
  responses: { 200: { description: 'API keys', schema: apiKeySchema } },
  async handle(call) {
    const { revoked, expired } = call.query
    const filter = { revoked, expired, created: timeRange(call.query, 'created_at') }
    const { apiKeys, next, total } = await listApiKeys(call.db, { ...call.page, filter })
    return { list: { items: apiKeys.map((apiKey) => viewApiKey(call, apiKey)), next, total } }
  },
})

const create = operation({
  id: 'createApiKey',
  method: 'POST',
  path: '/api-keys',
  tag,
  summary: 'Make an API key',
  description: 'Its value is told in this answer and never again. It can do no more than whoever makes it.',
  access: WRITE,
  idempotent: true,
  body: {
    schema: newApiKeySchema,
    examples: {
      machine: { name: 'Nightly report', scopes: ['users:read', 'clients:read'] },
      guest: { name: 'Auditor', scopes: ['audit-events:read'], expires_at: '2099-12-31T23:59:59Z' },
    },
  },
  responses: { 201: { description: 'The key, with its value', schema: shownApiKeySchema } },
  problems: ['privilege-raised'],
  async handle(call) {
    const { name, scopes, expires_at: expiry } = call.body
    requireCovers(call.principal, scopes)
    const expiresAt = expiry == null ? null : new Date(expiry)
    const { apiKey, value } = await createApiKey(call.db, { name, scopes, expiresAt, actor: call.actor })
    return { ...shown(call, apiKey, value), location: `/api-keys/${apiKey.id}` }
  },
})

const read = operation({
  id: 'readApiKey',
  method: 'GET',
  path: '/api-keys/{api_key_id}',
  tag,
  summary: 'Read an API key',
  access: READ,
  params: apiKeyIdParams,
  responses: { 200: { description: 'The key, without its value', schema: apiKeySchema } },
  async handle(call) {
    const apiKey = await findApiKeyById(call.db, call.params.api_key_id)
    if (!apiKey) throw problem('not-found', { detail: 'there is no such API key' })
    return { body: viewApiKey(call, apiKey), version: apiKey.version }
  },
})

const update = operation({
  id: 'updateApiKey',
  method: 'PATCH',
  path: '/api-keys/{api_key_id}',
  tag,
  summary: 'Rename an API key, or give it other scopes',
  description:
    'Scopes can be taken from any key, and be given by those who have them. When a key ends can not be changed.',
  access: WRITE,
  params: apiKeyIdParams,
  body: {
    schema: apiKeyChangeSchema,
    examples: { rename: { name: 'Weekly report' }, narrow: { scopes: ['users:read'] } },
  },
  precondition: versionOf,
  responses: { 200: { description: 'The key as it now is', schema: apiKeySchema } },
  problems: ['privilege-raised', 'key-ended'],
  async handle(call) {
    const { actor, ifVersion } = call
    const apiKeyId = call.params.api_key_id
    const guard = wideningGuard(call)
    const apiKey = await updateApiKey(call.db, { apiKeyId, changes: call.body, actor, ifVersion, guard })
    return { body: viewApiKey(call, apiKey), version: apiKey.version }
  },
})

const rotate = operation({
  id: 'rotateApiKey',
  method: 'POST',
  path: '/api-keys/{api_key_id}/rotations',
  tag,
  summary: 'Give an API key a new value',
  description:
    'The new value is told in this answer and never again. The one in use works for the time of the overlap; until that ends the key can not be rotated again.',
  access: WRITE,
  idempotent: true,
  params: apiKeyIdParams,
  body: { schema: keyRotationSchema, optional: true, examples: { leaked: { overlap_seconds: 0 } } },
  responses: { 200: { description: 'The key, with its new value', schema: shownApiKeySchema } },
  problems: ['privilege-raised', 'key-ended', 'overlap-runs'],
  async handle(call) {
    const { apiKey, value } = await rotateApiKey(call.db, {
      apiKeyId: call.params.api_key_id,
      overlapSeconds: call.body?.overlap_seconds,
      actor: call.actor,
      guard: ({ scopes }) => requireCovers(call.principal, scopes),
    })
    return shown(call, apiKey, value)
  },
})

const revoke = operation({
  id: 'revokeApiKey',
  method: 'DELETE',
  path: '/api-keys/{api_key_id}',
  tag,
  summary: 'Revoke an API key',
  description:
    'It is refused from the next request on, for good, and stays in the list. `If-Match: *` revokes it however it is.',
  access: WRITE,
  params: apiKeyIdParams,
  precondition: versionOf,
  responses: { 204: { description: 'It opens nothing any more' } },
  async handle({ db, params, actor, ifVersion }) {
    await revokeApiKey(db, { apiKeyId: params.api_key_id, actor, ifVersion })
    return {}
  },
})

export const apiKeyOperations: readonly Operation[] = [list, create, read, update, rotate, revoke]

/** Lets scopes go, and only those come that the caller has. The first call shows the key as it is. */
function wideningGuard({ principal }: Pick<Call, 'principal'>): ApiKeyGuard {
  let before: readonly string[] | undefined
  return ({ scopes }) => {
    const had = (before ??= scopes)
    requireCovers(
      principal,
      scopes.filter((scope) => !had.includes(scope)),
    )
  }
}

type KeyCall = Pick<Call<{ api_key_id: string }>, 'db' | 'params'>

async function versionOf({ db, params }: KeyCall): Promise<number | undefined> {
  return (await findApiKeyById(db, params.api_key_id))?.version
}

type Viewer = Pick<Call, 'may' | 'link' | 'principal'>

function shown(call: Viewer, apiKey: ApiKey, value: string) {
  return { body: { ...viewApiKey(call, apiKey), value }, secrets: ['value'], version: apiKey.version }
}

function viewApiKey(call: Viewer, apiKey: ApiKey): object {
  const path = `/api-keys/${apiKey.id}`
  const mayWrite = call.may('api-keys:write') && apiKey.revokedAt === null
  const isAlive = apiKey.expiresAt === null || apiKey.expiresAt.getTime() > Date.now()
  const mayRotate = isAlive && apiKey.previous === null && covers(call.principal, apiKey.scopes)
  return {
    ...presentApiKey(apiKey),
    links: {
      self: linkTo(call, path),
      ...(mayWrite && {
        ...(isAlive && { update: linkTo(call, path, 'PATCH') }),
        ...(mayRotate && { rotate: linkTo(call, `${path}/rotations`, 'POST') }),
        delete: linkTo(call, path, 'DELETE'),
      }),
    },
  }
}
