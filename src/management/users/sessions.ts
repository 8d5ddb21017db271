/** Where a user is signed in. */
import { z } from 'zod'
import { operation, type Operation } from '../../http/api/operation.ts'
import { endSession } from '../../registry/sessions/end.ts'
import { readSessions, sessionSortings } from '../../registry/sessions/list.ts'
import { findSession } from '../../registry/sessions/queries.ts'
import { signOutUser } from '../../registry/users/sign-out.ts'
import { problem } from '../problems.ts'
import { SESSION } from './examples.ts'
import { requireUser } from './find.ts'
import { showSession } from './present.ts'
import { accountGuard, openThingsGuard } from './privilege.ts'
import { sessionSchema, userParams } from './schemas.ts'

const params = userParams.extend({ session_id: z.string().describe('The id of the session.') })
const noSession = () => problem('not-found', { detail: 'this user has no such session' })

const listSessions = operation({
  id: 'listUserSessions',
  method: 'GET',
  path: '/users/{user_id}/sessions',
  tag: 'Users',
  summary: "List a user's sessions",
  access: { scope: 'users:read' },
  params: userParams,
  list: { sort: sessionSortings, defaultSort: '-last_seen_at', paging: ['cursor'] },
  responses: { 200: { description: 'The sessions that are alive', schema: sessionSchema, example: SESSION } },
  async handle(call) {
    const user = await requireUser(call)
    const { sessions, next, total } = await readSessions(call.db, { ...call.page, userId: user.id })
    return { list: { items: sessions.map((session) => showSession(call, user, session)), next, total } }
  },
})

const readSession = operation({
  id: 'readUserSession',
  method: 'GET',
  path: '/users/{user_id}/sessions/{session_id}',
  tag: 'Users',
  summary: "Read a user's session",
  access: { scope: 'users:read' },
  params,
  responses: { 200: { description: 'The session', schema: sessionSchema, example: SESSION } },
  async handle(call) {
    const user = await requireUser(call)
    const session = await findSession(call.db, user.id, call.params.session_id)
    if (!session) throw noSession()
    return { body: showSession(call, user, session) }
  },
})

const endSessionOperation = operation({
  id: 'endUserSession',
  method: 'DELETE',
  path: '/users/{user_id}/sessions/{session_id}',
  tag: 'Users',
  summary: 'End a session',
  description:
    'Signs one browser out, and with it the web apps that were signed in through it. Apps on a device stay signed in; revoke their token family.',
  access: { scope: 'users:write' },
  params,
  responses: { 204: { description: 'The session has ended' } },
  problems: ['privilege-raised'],
  async handle(call) {
    const { user_id: userId, session_id: uid } = call.params
    const guard = openThingsGuard(call, userId)
    if (!(await endSession(call.db, { userId, uid, guard, actor: call.actor }))) throw noSession()
    return {}
  },
})

const signOut = operation({
  id: 'endUserSessions',
  method: 'DELETE',
  path: '/users/{user_id}/sessions',
  tag: 'Users',
  summary: 'Sign a user out everywhere',
  description:
    'Ends all sessions and all token families, of apps on devices too. The account stays open and consents stay given.',
  access: { scope: 'users:write' },
  params: userParams,
  responses: { 204: { description: 'Nothing is open any more' } },
  problems: ['privilege-raised'],
  async handle(call) {
    await signOutUser(call.db, { userId: call.params.user_id, guard: accountGuard(call), actor: call.actor })
    return {}
  },
})

export const sessionOperations: Operation[] = [listSessions, readSession, endSessionOperation, signOut]
