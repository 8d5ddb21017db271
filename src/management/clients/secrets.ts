/** Operations on the secrets of a client. They have no version of their own: what is replaced is the client's. */
import { z } from 'zod'
import { operation, type Operation } from '../../http/api/operation.ts'
import { hasSecret } from '../../registry/clients/client.ts'
import { deleteSecret } from '../../registry/clients/delete-secret.ts'
import { findClient } from '../../registry/clients/queries.ts'
import { rotateSecret } from '../../registry/clients/rotate-secret.ts'
import { pageOf } from '../page-of.ts'
import { problem } from '../problems.ts'
import { found } from './operations.ts'
import {
  clientIdParams,
  clientSecretSchema,
  newClientSecretSchema,
  secretIdParams,
  secretRotationSchema,
} from './schemas.ts'
import { guardOf, viewSecret } from './view.ts'

const tag = 'Clients'
const READ = { scope: 'clients:read' }
const WRITE = { scope: 'clients:write' }
const DEFAULT_OVERLAP = 86_400

const list = operation({
  id: 'listClientSecrets',
  method: 'GET',
  path: '/clients/{client_id}/secrets',
  tag,
  summary: 'List the secrets of a client',
  description: 'The live ones, without their values.',
  access: READ,
  params: clientIdParams,
  query: z.strictObject({}),
  list: { sort: ['created_at'], defaultSort: 'created_at', paging: ['cursor'] },
  responses: { 200: { description: 'Secrets', schema: clientSecretSchema } },
  async handle(call) {
    const client = await found(findClient(call.db, call.params.client_id))
    const { items, ...rest } = pageOf(client.secrets, call.page, ({ createdAt }) => createdAt.toISOString())
    return { list: { ...rest, items: items.map((secret) => viewSecret(call, client, secret)) } }
  },
})

const rotate = operation({
  id: 'rotateClientSecret',
  method: 'POST',
  path: '/clients/{client_id}/secrets',
  tag,
  summary: 'Give a client a new secret',
  description:
    'The new secret is told in this answer and never again. The newest of the others works for the time of the overlap, older ones end at once.',
  access: WRITE,
  idempotent: true,
  params: clientIdParams,
  body: {
    schema: secretRotationSchema,
    optional: true,
    examples: { overlap: { overlap_seconds: 3600 }, leaked: { overlap_seconds: 0 } },
  },
  responses: { 201: { description: 'The new secret', schema: newClientSecretSchema } },
  problems: ['privilege-raised', 'no-secret'],
  async handle(call) {
    const { client_id: clientId } = call.params
    const { kind, jwks, tokenEndpointAuthMethod } = await found(findClient(call.db, clientId))
    if (!hasSecret(tokenEndpointAuthMethod)) {
      throw problem('no-secret', { detail: jwks ? 'it proves itself with a key' : `a ${kind} client has no secret` })
    }
    const overlapSeconds = call.body?.overlap_seconds ?? DEFAULT_OVERLAP
    const rotation = { clientId, overlapSeconds, actor: call.actor, guard: guardOf(call) }
    const { client, secret, secretId } = await rotateSecret(call.db, rotation)
    const made = client.secrets.find(({ id }) => id === secretId)
    if (!made) throw new Error('a new secret is not among those of its client')
    return { body: { ...viewSecret(call, client, made), client_secret: secret }, secrets: ['client_secret'] }
  },
})

const remove = operation({
  id: 'deleteClientSecret',
  method: 'DELETE',
  path: '/clients/{client_id}/secrets/{secret_id}',
  tag,
  summary: 'End a secret of a client',
  description: 'It ends at once, whatever overlap it was left. The last one stays: rotate it instead.',
  access: WRITE,
  params: secretIdParams,
  responses: { 204: { description: 'It is gone' } },
  problems: ['privilege-raised', 'last-secret'],
  async handle(call) {
    const { client_id: clientId, secret_id: secretId } = call.params
    await deleteSecret(call.db, { clientId, secretId, actor: call.actor, guard: guardOf(call) })
    return {}
  },
})

export const clientSecretOperations: readonly Operation[] = [list, rotate, remove]
