import type { Principal } from '../http/api/operation.ts'

/** Whether the caller has all of these scopes: what `requireCovers` demands, for links that are left out. */
export function covers(principal: Pick<Principal, 'scopes'> | undefined, scopes: Iterable<string>): boolean {
  return [...scopes].every((scope) => principal?.scopes.has(scope))
}
