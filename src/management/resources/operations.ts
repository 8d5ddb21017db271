/** Operations on resources: the APIs that tokens are made for. */
import type { z } from 'zod'
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import { normalAudience } from '../../lib/audience.ts'
import { isId } from '../../lib/ids.ts'
import { createResource } from '../../registry/resources/create.ts'
import { deleteResource } from '../../registry/resources/delete.ts'
import { presentResource } from '../../registry/resources/present.ts'
import { findResource, listResources } from '../../registry/resources/queries.ts'
import { withResourceDefaults, type GivenResourceSettings, type Resource } from '../../registry/resources/resource.ts'
import { updateResource } from '../../registry/resources/update.ts'
import { timeRange } from '../filters.ts'
import { linkTo } from '../links.ts'
import { problem } from '../problems.ts'
import { PATCH_EXAMPLES, POST_EXAMPLES, PUT_EXAMPLES, RESOURCE } from './examples.ts'
import {
  newResourceSchema,
  resourceChangeSchema,
  resourceFilters,
  resourceIdParams,
  resourceReplacementSchema,
  resourceSchema,
} from './schemas.ts'

const tag = 'Resources'
const READ = { scope: 'resources:read' }
const WRITE = { scope: 'resources:write' }

const list = operation({
  id: 'listResources',
  method: 'GET',
  path: '/resources',
  tag,
  summary: 'List resources',
  access: READ,
  query: resourceFilters,
  list: {
    sort: ['created_at', 'updated_at', 'name', 'audience'],
    defaultSort: '-created_at',
    paging: ['cursor', 'offset'],
    csv: ['id', 'audience', 'name', 'token_format', 'signing_alg', 'access_token_ttl', 'built_in', 'created_at'],
  },
  responses: { 200: { description: 'Resources', schema: resourceSchema, example: RESOURCE } },
  async handle(call) {
    const { audience, token_format: tokenFormat, built_in: builtIn, q } = call.query
    const filter = { audience, tokenFormat, builtIn, q, created: timeRange(call.query, 'created_at') }
    const { resources, next, total } = await listResources(call.db, { ...call.page, filter })
    return { list: { items: resources.map((resource) => viewResource(call, resource)), next, total } }
  },
})

const create = operation({
  id: 'createResource',
  method: 'POST',
  path: '/resources',
  tag,
  summary: 'Register a resource',
  access: WRITE,
  idempotent: true,
  body: { schema: newResourceSchema, examples: POST_EXAMPLES },
  responses: { 201: { description: 'The resource', schema: resourceSchema, example: RESOURCE } },
  problems: ['audience-taken'],
  async handle(call) {
    const { audience, name, ...settings } = call.body
    const input = { ...settingsOf(settings), audience, name, actor: call.actor }
    const resource = await createResource(call.db, input)
    return { ...answer(call, resource), location: `/resources/${resource.id}` }
  },
})

const read = operation({
  id: 'readResource',
  method: 'GET',
  path: '/resources/{resource_id}',
  tag,
  summary: 'Read a resource',
  access: READ,
  params: resourceIdParams,
  responses: { 200: { description: 'The resource', schema: resourceSchema, example: RESOURCE } },
  async handle(call) {
    return answer(call, await found(call))
  },
})

const replace = operation({
  id: 'replaceResource',
  method: 'PUT',
  path: '/resources/{resource_id}',
  tag,
  summary: 'Replace the settings of a resource',
  description: 'What is left out takes its default; the list of scopes then is empty.',
  access: WRITE,
  params: resourceIdParams,
  body: { schema: resourceReplacementSchema, examples: PUT_EXAMPLES },
  precondition: versionOf,
  responses: { 200: { description: 'The resource as it now is', schema: resourceSchema, example: RESOURCE } },
  problems: ['built-in'],
  async handle(call) {
    const { audience, name, ...settings } = call.body
    // The audience never changes, so that it may be read before the row is held.
    const before = await found(call)
    if (audience !== undefined && normalAudience(audience) !== before.audience) {
      const detail = `the audience is ${before.audience}, which never changes`
      throw problem('invalid-request', { detail, errors: [{ pointer: '#/audience', detail }] })
    }
    const change = withResourceDefaults({ ...settingsOf(settings), name })
    return answer(call, await updateResource(call.db, before.id, change, call))
  },
})

const update = operation({
  id: 'updateResource',
  method: 'PATCH',
  path: '/resources/{resource_id}',
  tag,
  summary: 'Change a resource',
  description:
    'What is left out stays as it is; lists are replaced as a whole. `access_token_ttl` null is the default.',
  access: WRITE,
  params: resourceIdParams,
  body: { schema: resourceChangeSchema, examples: PATCH_EXAMPLES },
  precondition: versionOf,
  responses: { 200: { description: 'The resource as it now is', schema: resourceSchema, example: RESOURCE } },
  problems: ['built-in'],
  async handle(call) {
    const { id } = await found(call)
    return answer(call, await updateResource(call.db, id, settingsOf(call.body), call))
  },
})

const remove = operation({
  id: 'deleteResource',
  method: 'DELETE',
  path: '/resources/{resource_id}',
  tag,
  summary: 'Delete a resource',
  description:
    'With it go its scopes, the clients’ access to it and the consents given for it. A JWT lives to its `exp`.',
  access: WRITE,
  params: resourceIdParams,
  precondition: versionOf,
  responses: { 204: { description: 'It is gone' } },
  problems: ['built-in'],
  async handle(call) {
    const { id } = await found(call)
    await deleteResource(call.db, id, call)
    return {}
  },
})

export const resourceOperations: readonly Operation[] = [list, create, read, replace, update, remove]

function answer(call: Pick<Call, 'may' | 'link'>, resource: Resource) {
  return { body: viewResource(call, resource), version: resource.version }
}

function viewResource(call: Pick<Call, 'may' | 'link'>, resource: Resource): object {
  const path = `/resources/${resource.id}`
  const mayWrite = !resource.builtIn && call.may('resources:write')
  return {
    ...presentResource(resource),
    links: {
      self: linkTo(call, path),
      ...(mayWrite && {
        replace: linkTo(call, path, 'PUT'),
        update: linkTo(call, path, 'PATCH'),
        delete: linkTo(call, path, 'DELETE'),
      }),
    },
  }
}

type ResourceCall = Pick<Call<z.infer<typeof resourceIdParams>>, 'db' | 'params'>

/** @throws Problem `not-found` */
async function found({ db, params }: ResourceCall): Promise<Resource> {
  // The registry would take an audience too; an address of this API is made of the id alone.
  const resource = isId('res', params.resource_id) ? await findResource(db, params.resource_id) : undefined
  if (!resource) throw problem('not-found', { detail: 'there is no such resource' })
  return resource
}

async function versionOf(call: ResourceCall): Promise<number | undefined> {
  return (await found(call)).version
}

function settingsOf(body: z.infer<typeof resourceChangeSchema>): GivenResourceSettings {
  return {
    name: body.name,
    tokenFormat: body.token_format,
    signingAlg: body.signing_alg,
    accessTokenTtl: body.access_token_ttl,
    tokenClaims: body.token_claims,
    introspectionClients: body.introspection_clients,
    selfRegisteredScopes: body.self_registered_scopes,
    scopes: body.scopes?.map(({ name, description, description_de: descriptionDe = null }) => {
      return { name, description, descriptionDe }
    }),
  }
}
