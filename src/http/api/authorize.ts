/** Whether who calls may call this. */
import type { ApiOptions } from './api.ts'
import { commonProblems, Problem, problemsOf } from '../problem.ts'
import type { Operation, Principal } from './operation.ts'

const problem = problemsOf(commonProblems)

/** @throws Problem 401 with a challenge when no credentials came, 403 when they lack the scope */
export function authorize(
  { access }: Operation,
  principal: Principal | undefined,
  challenge: ApiOptions['challenge'],
): void {
  if (access === 'public') return
  const scope = access === 'authenticated' ? undefined : access.scope
  if (!principal) throw problem('unauthenticated', { headers: { 'www-authenticate': challenge(scope) } })
  if (scope !== undefined && !principal.scopes.has(scope)) {
    throw problem('insufficient-scope', { detail: `The scope ${scope} is needed`, scope })
  }
}

/**
 * A refusal for want of a scope says so in its challenge, whoever refused: that is what clients read who may ask for more
 * (RFC 6750 §3.1). Other errors stay as they are.
 */
export function withChallenge(error: unknown, challenge: ApiOptions['challenge']): unknown {
  if (!(error instanceof Problem) || error.code !== 'insufficient-scope') return error
  const { headers, scope } = error.details
  if (Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'www-authenticate')) return error
  return error.withHeaders({ 'www-authenticate': challenge(scope, 'insufficient_scope') })
}
