import { operation, type Operation } from '../../http/api/operation.ts'
import { preparePassword, setPreparedPassword } from '../../registry/users/set-password.ts'
import { accountGuard } from './privilege.ts'
import { newPasswordSchema, userParams } from './schemas.ts'
import type { UserDependencies } from './users.ts'

export function setPasswordOperation({ hasher }: UserDependencies): Operation {
  return operation({
    id: 'setUserPassword',
    method: 'PUT',
    path: '/users/{user_id}/password',
    tag: 'Users',
    summary: 'Give a user a new password',
    description:
      'Whoever knew the old password keeps nothing: all sessions and tokens of the user end in the same transaction. Where roles of the user give access to this API, the caller must have all of that access.',
    access: { scope: 'users:write' },
    params: userParams,
    body: { schema: newPasswordSchema, examples: { password: { password: 'saddle thirteen envelope plywood' } } },
    responses: { 204: { description: 'The password is set' } },
    problems: ['privilege-raised'],
    prepare: ({ db, params, body }) =>
      preparePassword(db, { hasher }, { userId: params.user_id, password: body.password }),
    async handle(call) {
      const { db, params, actor } = call
      const passwordHash = call.prepared as string
      await setPreparedPassword(db, { userId: params.user_id, passwordHash, guard: accountGuard(call), actor })
      return {}
    },
  })
}
