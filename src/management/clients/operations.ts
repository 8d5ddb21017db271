/** Operations on clients: the apps and machines that may ask for tokens. */
import type { z } from 'zod'
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import { withDefaults, type ClientDetails } from '../../registry/clients/client.ts'
import type { ClientKeys } from '../../registry/clients/client-keys.ts'
import { createClient } from '../../registry/clients/create.ts'
import { deleteClient } from '../../registry/clients/delete.ts'
import { disableClient, enableClient } from '../../registry/clients/disable.ts'
import { findClient, listClients } from '../../registry/clients/queries.ts'
import { updateClient, type ChangeOptions, type ClientChange } from '../../registry/clients/update.ts'
import type { WebhookDependencies } from '../../registry/webhooks/create.ts'
import { timeRange } from '../filters.ts'
import { problem } from '../problems.ts'
import { PATCH_EXAMPLES, CLIENT, PUT_EXAMPLES, POST_EXAMPLES } from './examples.ts'
import {
  clientChangeSchema,
  clientFilters,
  clientIdParams,
  clientReplacementSchema,
  clientSchema,
  createdClientSchema,
  newClientSchema,
} from './schemas.ts'
import { guardOf, viewClient } from './view.ts'

/** Where clients may be told of logouts: the rules for webhooks. */
type Policy = Pick<WebhookDependencies, 'allowPrivate'>

const tag = 'Clients'
const READ = { scope: 'clients:read' }
const WRITE = { scope: 'clients:write' }
const RIGHTS =
  'A client that may ask for scopes of the management API can be changed only by callers who have these scopes themselves.'

const listAll = operation({
  id: 'listClients',
  method: 'GET',
  path: '/clients',
  tag,
  summary: 'List clients',
  access: READ,
  query: clientFilters,
  list: {
    sort: ['created_at', 'updated_at', 'name'],
    defaultSort: '-created_at',
    paging: ['cursor', 'offset'],
    csv: ['id', 'kind', 'name', 'first_party', 'built_in', 'disabled', 'created_at', 'updated_at'],
  },
  responses: { 200: { description: 'Clients', schema: clientSchema, example: CLIENT } },
  async handle(call) {
    const { kind, disabled, first_party: firstParty, q } = call.query
    const filter = { kind, disabled, firstParty, q, created: timeRange(call.query, 'created_at') }
    const { clients, next, total } = await listClients(call.db, { ...call.page, filter })
    return { list: { items: clients.map((client) => viewClient(call, client)), next, total } }
  },
})

const create = (policy: Policy) =>
  operation({
    id: 'createClient',
    method: 'POST',
    path: '/clients',
    tag,
    summary: 'Register a client',
    description: `Clients of the kinds \`web\` and \`service\` get a secret, which is told in this answer and never again. ${RIGHTS}`,
    access: WRITE,
    idempotent: true,
    body: { schema: newClientSchema, examples: POST_EXAMPLES },
    responses: { 201: { description: 'The client, and its secret', schema: createdClientSchema } },
    problems: ['privilege-raised'],
    async handle(call) {
      const { kind, ...settings } = call.body
      const { actor } = call
      const input = { ...changeOf(settings), ...policy, kind, name: settings.name, actor, guard: guardOf(call) }
      const { client, secret = null } = await createClient(call.db, input)
      return {
        body: { ...viewClient(call, client), client_secret: secret },
        secrets: ['client_secret'],
        version: client.version,
        location: `/clients/${client.id}`,
      }
    },
  })

const read = operation({
  id: 'readClient',
  method: 'GET',
  path: '/clients/{client_id}',
  tag,
  summary: 'Read a client',
  access: READ,
  params: clientIdParams,
  responses: { 200: { description: 'The client', schema: clientSchema, example: CLIENT } },
  async handle(call) {
    const client = await found(findClient(call.db, call.params.client_id))
    return { body: viewClient(call, client), version: client.version }
  },
})

const replace = (policy: Policy) =>
  operation({
    id: 'replaceClient',
    method: 'PUT',
    path: '/clients/{client_id}',
    tag,
    summary: 'Replace the settings of a client',
    description: `What is left out takes its default; \`access\` then is empty. ${RIGHTS}`,
    access: WRITE,
    params: clientIdParams,
    body: { schema: clientReplacementSchema, examples: PUT_EXAMPLES },
    precondition: ({ db, params }) => versionOf(findClient(db, params.client_id)),
    responses: { 200: { description: 'The client as it now is', schema: clientSchema, example: CLIENT } },
    problems: ['privilege-raised', 'built-in'],
    async handle(call) {
      const { kind, name, access, ...settings } = call.body
      const { client_id: id } = call.params
      // The kind never changes, so that it may be read before the row is held.
      const before = await found(findClient(call.db, id))
      if (kind !== undefined && kind !== before.kind) {
        const detail = `the client is of the kind ${before.kind}, which never changes`
        throw problem('invalid-request', { detail, errors: [{ pointer: '#/kind', detail }] })
      }
      const change = { ...withDefaults(before.kind, { ...changeOf(settings), name }), access: access ?? [] }
      const client = await updateClient(call.db, id, change, { ...optionsOf(call), ...policy })
      return { body: viewClient(call, client), version: client.version }
    },
  })

const update = (policy: Policy) =>
  operation({
    id: 'updateClient',
    method: 'PATCH',
    path: '/clients/{client_id}',
    tag,
    summary: 'Change a client, disable or enable it',
    description: `What is left out stays as it is; lists are replaced as a whole. Disabling a client ends its tokens, and enabling it revives none. ${RIGHTS}`,
    access: WRITE,
    params: clientIdParams,
    body: { schema: clientChangeSchema, examples: PATCH_EXAMPLES },
    precondition: ({ db, params }) => versionOf(findClient(db, params.client_id)),
    responses: { 200: { description: 'The client as it now is', schema: clientSchema, example: CLIENT } },
    problems: ['privilege-raised', 'built-in'],
    async handle(call) {
      const { disabled, ...settings } = call.body
      const { client_id: id } = call.params
      const client = await call.db.transaction(async (trx) => {
        const options = { ...optionsOf(call), ...policy }
        const updated = await updateClient(trx, id, changeOf(settings), options)
        if (disabled === undefined) return updated
        return (disabled ? disableClient : enableClient)(trx, id, { ...options, ifVersion: updated.version })
      })
      return { body: viewClient(call, client), version: client.version }
    },
  })

const remove = operation({
  id: 'deleteClient',
  method: 'DELETE',
  path: '/clients/{client_id}',
  tag,
  summary: 'Delete a client',
  description: `With it go its secrets, its consents and all its tokens. ${RIGHTS}`,
  access: WRITE,
  params: clientIdParams,
  precondition: ({ db, params }) => versionOf(findClient(db, params.client_id)),
  responses: { 204: { description: 'It is gone' } },
  problems: ['privilege-raised', 'built-in'],
  async handle(call) {
    await deleteClient(call.db, call.params.client_id, optionsOf(call))
    return {}
  },
})

export function clientOperations({ allowPrivate }: Policy): readonly Operation[] {
  const policy = { allowPrivate }
  return [listAll, create(policy), read, replace(policy), update(policy), remove]
}

function optionsOf(call: Pick<Call, 'actor' | 'ifVersion' | 'principal'>): ChangeOptions {
  return { actor: call.actor, ifVersion: call.ifVersion, guard: guardOf(call) }
}

type Settings = Omit<z.infer<typeof clientChangeSchema>, 'disabled'>

function changeOf(body: Settings): ClientChange {
  return {
    name: body.name,
    tokenEndpointAuthMethod: body.token_endpoint_auth_method,
    grantTypes: body.grant_types,
    redirectUris: body.redirect_uris,
    postLogoutRedirectUris: body.post_logout_redirect_uris,
    backchannelLogoutUri: body.backchannel_logout_uri,
    backchannelLogoutSessionRequired: body.backchannel_logout_session_required,
    allowedOrigins: body.allowed_origins,
    openidScopes: body.openid_scopes,
    firstParty: body.first_party,
    profile: body.profile,
    dpopBoundAccessTokens: body.dpop_bound_access_tokens,
    requirePar: body.require_par,
    jwks: body.jwks as ClientKeys | null | undefined,
    exchangeFrom: body.exchange_from,
    access: body.access,
  }
}

/** @throws Problem `not-found` */
export async function found(looking: Promise<ClientDetails | undefined>): Promise<ClientDetails> {
  const client = await looking
  if (!client) throw problem('not-found', { detail: 'there is no such client' })
  return client
}

async function versionOf(looking: Promise<ClientDetails | undefined>): Promise<number | undefined> {
  return (await looking)?.version
}
