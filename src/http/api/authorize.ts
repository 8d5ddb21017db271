/** Whether who calls may call this. */
import type { ApiOptions } from './api.ts'
import { commonProblems, problemsOf } from '../problem.ts'
import type { Operation, Principal } from './operation.ts'

const problem = problemsOf(commonProblems)

/** @throws Problem 401 with a challenge when no credentials came, 403 when they lack the scope (RFC 6750 §3.1) */
export function authorize(
  { access }: Operation,
  principal: Principal | undefined,
  challenge: ApiOptions['challenge'],
): void {
  if (access === 'public') return
  const scope = access === 'authenticated' ? undefined : access.scope
  const headers = () => ({ 'www-authenticate': challenge(scope) })
  if (!principal) throw problem('unauthenticated', { headers: headers() })
  if (scope !== undefined && !principal.scopes.has(scope)) {
    throw problem('insufficient-scope', { detail: `The scope ${scope} is needed`, headers: headers() })
  }
}
