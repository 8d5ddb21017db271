import type { Context } from 'koa'
import { networkOf } from '../../lib/network.ts'
import type { Principal } from '../api/operation.ts'
import { commonProblems, Problem } from '../problem.ts'
import { rateLimitHeaders } from './headers.ts'
import type { Decision, RateLimiter } from './rate-limiter.ts'

/** What an API asks before and after it knows who calls. Both set the fields of the answer, whatever it will be. */
export interface ApiLimits {
  /** Before authentication: whoever tries credentials does so from somewhere. @throws Problem `too-many-requests` */
  address(ctx: Context): Promise<void>
  /** After it: user, client or API key, from wherever they call. @throws Problem `too-many-requests` */
  principal(ctx: Context, principal: Pick<Principal, 'id' | 'kind'>): Promise<void>
}

/** @param policies their names in the limiter */
export function apiLimits(limiter: RateLimiter, policies = { address: 'address', principal: 'api' }): ApiLimits {
  const taken = new WeakMap<Context, Decision[]>()

  async function take(ctx: Context, policy: string, key: string): Promise<void> {
    const decisions = [...(taken.get(ctx) ?? []), await limiter.take(policy, key)]
    taken.set(ctx, decisions)
    const headers = rateLimitHeaders(decisions)
    ctx.set(headers)
    const refused = decisions.at(-1)!
    if (!refused.allowed) throw tooManyRequests(refused, headers)
  }

  return {
    address: (ctx) => take(ctx, policies.address, networkOf(ctx.ip)),
    principal: (ctx, { kind, id }) => take(ctx, policies.principal, `${kind} ${id}`),
  }
}

function tooManyRequests({ policy, retryAfterSeconds }: Decision, headers: Record<string, string>): Problem {
  return new Problem('too-many-requests', commonProblems['too-many-requests'], {
    detail: `the quota of the policy "${policy}" is used up; there is more in ${retryAfterSeconds} s`,
    headers,
    members: { violated_policies: [policy] },
  })
}
