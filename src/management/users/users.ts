/**
 * `management/users` is the management API's view of people: their accounts, and under each what it has open. It declares
 * operations and knows HTTP only through them; what an account is and what must end with it is the registry's.
 */
import type { Operation } from '../../http/api/operation.ts'
import type { PasswordHasher } from '../../registry/users/password.ts'
import { accountOperations } from './accounts.ts'
import { consentOperations } from './consents.ts'
import { listUsersOperation } from './list.ts'
import { setPasswordOperation } from './password.ts'
import { sessionOperations } from './sessions.ts'
import { tokenFamilyOperations } from './token-families.ts'

export interface UserDependencies {
  hasher: PasswordHasher
}

export function userOperations(dependencies: UserDependencies): Operation[] {
  return [
    listUsersOperation,
    ...accountOperations(dependencies),
    setPasswordOperation(dependencies),
    ...sessionOperations,
    ...consentOperations,
    ...tokenFamilyOperations,
  ]
}
