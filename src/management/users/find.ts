import type { Call } from '../../http/api/operation.ts'
import { findUser } from '../../registry/users/queries.ts'
import type { User } from '../../registry/users/user.ts'
import { problem } from '../problems.ts'

/** The user whom the path names. @throws Problem `not-found` */
export async function requireUser({ db, params }: Pick<Call<{ user_id: string }>, 'db' | 'params'>): Promise<User> {
  const user = await findUser(db, params.user_id)
  if (!user) throw problem('not-found', { detail: 'there is no such user' })
  return user
}

/** What `If-Match` is compared with. */
export async function versionOfUser({
  db,
  params,
}: Pick<Call<{ user_id: string }>, 'db' | 'params'>): Promise<number | undefined> {
  return (await findUser(db, params.user_id))?.version
}
