/** Which apps hold tokens of a user. */
import { z } from 'zod'
import { operation, type Operation } from '../../http/api/operation.ts'
import { findTokenFamily, listTokenFamilies, tokenFamilySortings } from '../../registry/token-families/queries.ts'
import { revokeTokenFamily } from '../../registry/token-families/revoke.ts'
import { textFilter } from '../filters.ts'
import { problem } from '../problems.ts'
import { TOKEN_FAMILY } from './examples.ts'
import { requireUser } from './find.ts'
import { showTokenFamily } from './present.ts'
import { openThingsGuard } from './privilege.ts'
import { tokenFamilySchema, userParams } from './schemas.ts'

const params = userParams.extend({ family_id: z.string().describe('The id of the token family.') })
const noFamily = () => problem('not-found', { detail: 'this user has no such token family' })

const listFamilies = operation({
  id: 'listUserTokenFamilies',
  method: 'GET',
  path: '/users/{user_id}/token-families',
  tag: 'Users',
  summary: "List a user's token families",
  description: 'One for each sign-in with an app that still lasts.',
  access: { scope: 'users:read' },
  params: userParams,
  query: z.strictObject({
    client_id: textFilter('Only those of this app.', TOKEN_FAMILY.client_id).optional(),
  }),
  list: { sort: tokenFamilySortings, defaultSort: '-created_at', paging: ['cursor'] },
  responses: {
    200: { description: 'The token families that are alive', schema: tokenFamilySchema, example: TOKEN_FAMILY },
  },
  async handle(call) {
    const user = await requireUser(call)
    const options = { ...call.page, userId: user.id, clientId: call.query.client_id }
    const { families, next, total } = await listTokenFamilies(call.db, options)
    return { list: { items: families.map((family) => showTokenFamily(call, user, family)), next, total } }
  },
})

const readFamily = operation({
  id: 'readUserTokenFamily',
  method: 'GET',
  path: '/users/{user_id}/token-families/{family_id}',
  tag: 'Users',
  summary: "Read a user's token family",
  access: { scope: 'users:read' },
  params,
  responses: { 200: { description: 'The token family', schema: tokenFamilySchema, example: TOKEN_FAMILY } },
  async handle(call) {
    const user = await requireUser(call)
    const family = await findTokenFamily(call.db, user.id, call.params.family_id)
    if (!family) throw noFamily()
    return { body: showTokenFamily(call, user, family) }
  },
})

const revokeFamily = operation({
  id: 'revokeUserTokenFamily',
  method: 'DELETE',
  path: '/users/{user_id}/token-families/{family_id}',
  tag: 'Users',
  summary: 'Revoke a token family',
  description:
    'Ends its codes, refresh tokens and opaque access tokens at once. An access token that is a JWT lives to its end, unless the API asks by introspection.',
  access: { scope: 'users:write' },
  params,
  responses: { 204: { description: 'The token family is revoked' } },
  problems: ['privilege-raised'],
  async handle(call) {
    const { user_id: userId, family_id: id } = call.params
    const guard = openThingsGuard(call, userId)
    if (!(await revokeTokenFamily(call.db, { userId, id, guard, actor: call.actor }))) throw noFamily()
    return {}
  },
})

export const tokenFamilyOperations: Operation[] = [listFamilies, readFamily, revokeFamily]
