import { createHmac } from 'node:crypto'
import { deriveForHmac, type MasterKeys } from '../../lib/master-key.ts'

/** The id that follows this one when the person, or nobody, goes on under it. */
export type NextSessionId = (id: string, accountId: string | undefined) => string

/**
 * Ids of a session follow from one another by a key that nobody else has, so that tabs which change the same id at the same
 * moment, on whatever instance, arrive at the same one. The person is part of it: whoever planted an id can't compute or
 * obtain the one that it becomes when somebody else signs in under it.
 */
export function createNextSessionId(masterKeys: MasterKeys): NextSessionId {
  const [key] = deriveForHmac(masterKeys, 'session-successor')
  return (id, accountId) =>
    createHmac('sha256', key)
      .update(`${id}\n${accountId ?? ''}`)
      .digest('base64url')
}
