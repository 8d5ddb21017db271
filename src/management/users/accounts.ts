/** One account: made, read, replaced, changed and deleted. */
import { operation, type Operation } from '../../http/api/operation.ts'
import { createPreparedUser, prepareUser, type PreparedUser } from '../../registry/users/create.ts'
import { deleteUser } from '../../registry/users/delete.ts'
import { updateUser } from '../../registry/users/update.ts'
import { isAddress, parseRoles } from '../../registry/users/user.ts'
import { problem } from '../problems.ts'
import { ADA, USER } from './examples.ts'
import { requireUser, versionOfUser } from './find.ts'
import { showUser, userPath } from './present.ts'
import { accountGuard, isOwn, requireRoles } from './privilege.ts'
import { newUserSchema, userParams, userPatchSchema, userReplacementSchema, userSchema } from './schemas.ts'
import type { UserDependencies } from './users.ts'

const PRIVILEGE =
  'Where the roles that the user has or gets give access to this API, the caller must have all of that access: else 403 `privilege-raised`.'

export function accountOperations({ hasher }: UserDependencies): Operation[] {
  const createUser = operation({
    id: 'createUser',
    method: 'POST',
    path: '/users',
    tag: 'Users',
    summary: 'Create a user',
    description: `The account can sign in at once. ${PRIVILEGE}`,
    access: { scope: 'users:write' },
    idempotent: true,
    body: {
      schema: newUserSchema,
      examples: {
        complete: { ...ADA, email_verified: true, password: 'lantern obstacle quiver marmalade' },
        least: { username: 'grace', password: 'thimble vestige orbit cucumber' },
      },
    },
    responses: { 201: { description: 'The user that was made', schema: userSchema, example: USER } },
    problems: ['privilege-raised', 'username-taken', 'email-taken'],
    async prepare(call) {
      const { email_verified: emailVerified, ...given } = call.body
      requireRoles(call, parseRoles(given.roles ?? []))
      return prepareUser({ hasher }, { ...given, emailVerified })
    },
    async handle(call) {
      const user = await createPreparedUser(call.db, call.prepared as PreparedUser, call.actor)
      return { body: showUser(call, user), version: user.version, location: userPath(user.id) }
    },
  })
  return [createUser, readUser, replaceUser, updateUserOperation, deleteUserOperation]
}

const readUser = operation({
  id: 'readUser',
  method: 'GET',
  path: '/users/{user_id}',
  tag: 'Users',
  summary: 'Read a user',
  access: { scope: 'users:read' },
  params: userParams,
  responses: { 200: { description: 'The user', schema: userSchema, example: USER } },
  async handle(call) {
    const user = await requireUser(call)
    return { body: showUser(call, user), version: user.version }
  },
})

const replaceUser = operation({
  id: 'replaceUser',
  method: 'PUT',
  path: '/users/{user_id}',
  tag: 'Users',
  summary: 'Replace a user',
  description: `What the body leaves out is cleared, except \`disabled\`; the password is not part of it. ${PRIVILEGE}`,
  access: { scope: 'users:write' },
  params: userParams,
  precondition: versionOfUser,
  body: {
    schema: userReplacementSchema,
    examples: { complete: { ...ADA, username: 'ada.king', email: 'ada.king@example.com', name: 'Ada King' } },
  },
  responses: { 200: { description: 'The user as it is now', schema: userSchema, example: USER } },
  problems: ['privilege-raised', 'own-account', 'username-taken', 'email-taken'],
  async handle(call) {
    const { username, email, email_verified: emailVerified = false, name = null, roles = [], disabled } = call.body
    const changes = {
      username,
      // A username that is an address is the e-mail address as well: nothing has to say so twice.
      email: email ?? (isAddress(username) ? undefined : null),
      emailVerified,
      name,
      roles,
      disabled,
    }
    return change(call, changes)
  },
})

const updateUserOperation = operation({
  id: 'updateUser',
  method: 'PATCH',
  path: '/users/{user_id}',
  tag: 'Users',
  summary: 'Change a user',
  description: `Changes what the body names. \`disabled: true\` ends the user's sessions and tokens in the same transaction; opening the account again revives nothing. ${PRIVILEGE} Nobody shuts or demotes their own account.`,
  access: { scope: 'users:write' },
  params: userParams,
  precondition: versionOfUser,
  body: {
    schema: userPatchSchema,
    examples: {
      some_fields: { name: 'Ada King', email_verified: true },
      clear: { name: null },
      disable: { disabled: true },
      enable: { disabled: false },
    },
  },
  responses: { 200: { description: 'The user as it is now', schema: userSchema, example: USER } },
  problems: ['privilege-raised', 'own-account', 'username-taken', 'email-taken'],
  async handle(call) {
    const { email_verified: emailVerified, ...changes } = call.body
    return change(call, { ...changes, emailVerified })
  },
})

const deleteUserOperation = operation({
  id: 'deleteUser',
  method: 'DELETE',
  path: '/users/{user_id}',
  tag: 'Users',
  summary: 'Delete a user',
  description: `Removes the account with its sessions, consents and tokens. The audit log keeps the id and forgets who that was. ${PRIVILEGE} Nobody deletes their own account.`,
  access: { scope: 'users:write' },
  params: userParams,
  precondition: versionOfUser,
  responses: { 204: { description: 'The user is gone' } },
  problems: ['privilege-raised', 'own-account'],
  async handle(call) {
    const { db, params, ifVersion, actor } = call
    if (isOwn(call, params.user_id)) throw problem('own-account')
    await deleteUser(db, { userId: params.user_id, ifVersion, guard: accountGuard(call), actor })
    return {}
  },
})

type Change = Parameters<typeof updateUser>[1]['changes']
type ChangingCall = Parameters<typeof showUser>[0] & Parameters<typeof requireUser>[0] & UpdateFacts
interface UpdateFacts {
  ifVersion: number | undefined
  actor: Parameters<typeof updateUser>[1]['actor']
}

async function change(call: ChangingCall, changes: Change) {
  const { db, params, ifVersion, actor } = call
  if (changes.disabled === true && isOwn(call, params.user_id)) throw problem('own-account')
  const guard = accountGuard(call)
  const user = await updateUser(db, { userId: params.user_id, changes, ifVersion, guard, actor })
  return { body: showUser(call, user), version: user.version }
}
