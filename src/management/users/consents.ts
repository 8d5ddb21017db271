/** What a user allows apps. */
import { z } from 'zod'
import { operation, type Operation } from '../../http/api/operation.ts'
import { isId } from '../../lib/ids.ts'
import { consentSortings, findClientConsent, readConsents } from '../../registry/consents/list.ts'
import { findConsent } from '../../registry/consents/queries.ts'
import { withdrawConsent } from '../../registry/consents/withdraw.ts'
import { problem } from '../problems.ts'
import { CONSENT } from './examples.ts'
import { requireUser } from './find.ts'
import { showConsent } from './present.ts'
import { openThingsGuard } from './privilege.ts'
import { consentSchema, userParams } from './schemas.ts'

const params = userParams.extend({
  consent_id: z.string().meta({
    description: 'The id of the consent: that of the app.',
    example: CONSENT.id,
  }),
})
const noConsent = () => problem('not-found', { detail: 'this user has given no such consent' })

const listConsents = operation({
  id: 'listUserConsents',
  method: 'GET',
  path: '/users/{user_id}/consents',
  tag: 'Users',
  summary: "List a user's consents",
  description: 'One for each app that the user allows something at present.',
  access: { scope: 'users:read' },
  params: userParams,
  list: { sort: consentSortings, defaultSort: '-granted_at', paging: ['cursor'] },
  responses: { 200: { description: 'The consents that hold', schema: consentSchema, example: CONSENT } },
  async handle(call) {
    const user = await requireUser(call)
    const { consents, next, total } = await readConsents(call.db, { ...call.page, userId: user.id })
    return { list: { items: consents.map((consent) => showConsent(call, user, consent)), next, total } }
  },
})

const readConsent = operation({
  id: 'readUserConsent',
  method: 'GET',
  path: '/users/{user_id}/consents/{consent_id}',
  tag: 'Users',
  summary: "Read a user's consent",
  access: { scope: 'users:read' },
  params,
  responses: { 200: { description: 'The consent', schema: consentSchema, example: CONSENT } },
  async handle(call) {
    const user = await requireUser(call)
    const consent = await findClientConsent(call.db, user.id, call.params.consent_id)
    if (!consent) throw noConsent()
    return { body: showConsent(call, user, consent) }
  },
})

const withdraw = operation({
  id: 'withdrawUserConsent',
  method: 'DELETE',
  path: '/users/{user_id}/consents/{consent_id}',
  tag: 'Users',
  summary: 'Withdraw a consent',
  description:
    'Takes back all that the user allowed the app, and ends every token that it holds of them. The app may ask again.',
  access: { scope: 'users:write' },
  params,
  responses: { 204: { description: 'The consent is withdrawn' } },
  problems: ['privilege-raised'],
  async handle(call) {
    const { user_id: userId, consent_id: clientId } = call.params
    if (!isId('usr', userId) || !isId('cli', clientId)) throw noConsent()
    const judge = openThingsGuard(call, userId)
    const guard = async (trx: typeof call.db) => {
      await judge(trx)
      if (!(await findConsent(trx, userId, clientId))) throw noConsent()
    }
    await withdrawConsent(call.db, { userId, clientId, guard, actor: call.actor })
    return {}
  },
})

export const consentOperations: Operation[] = [listConsents, readConsent, withdraw]
