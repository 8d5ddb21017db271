/** What is refused when there is more to do than this process can, and in which words. */
import type { Context } from 'koa'
import { isBelow } from '../http/problem.ts'
import { createOverload, type Overload, type ShedReason } from '../http/overload.ts'
import { showPage } from '../interactions/page.ts'
import { MANAGEMENT_BASE } from '../management/api.ts'
import { METADATA_PATH } from '../management/challenge.ts'
import { cacheablePaths, clientPaths, registrationPath, routes } from '../oidc/routes.ts'
import type { Parts } from './parts.ts'

/** Where programs ask, not people. */
const programPaths: ReadonlySet<string> = new Set([...clientPaths, routes.userinfo, registrationPath])

/** Long polls wait for an event, within the bounds of the feed (RFC 7240 §4.3). */
const WAITS = /\bwait\s*=/i

/** @param onShed for metrics: each refusal */
export function createShedding(
  { config, log, db, renderer }: Pick<Parts, 'config' | 'log' | 'db' | 'renderer'>,
  onShed?: (reason: ShedReason) => void,
): Overload {
  return createOverload({
    maxInFlight: config.maxInFlight,
    delays: [() => db.pool.standingDelayMs()],
    // Verifiers live on these documents, and they come from memory.
    isExempt: ({ path }) =>
      cacheablePaths.has(path) || path === METADATA_PATH || renderer.assets.find(path) !== undefined,
    isPatient: (ctx) => ctx.method === 'GET' && isBelow(MANAGEMENT_BASE, ctx.path) && WAITS.test(ctx.get('prefer')),
    refuse(ctx) {
      if (programPaths.has(ctx.path) || isBelow(MANAGEMENT_BASE, ctx.path)) return tellProgram(ctx)
      const model = { code: 'temporarily_unavailable', traceId: String(ctx.state.traceId) }
      showPage(ctx, renderer, 'error', model, { status: 503 })
    },
    onShed,
    onChange({ shedding, delayMs, shed }) {
      const facts = { delay_ms: Math.round(delayMs), ...(shedding ? {} : { shed }) }
      if (shedding) log.warn(facts, 'more requests than can be answered: what is too much is refused')
      else log.info(facts, 'requests are no longer refused')
    },
  })
}

/** Below the API it becomes a problem. */
function tellProgram(ctx: Context): void {
  ctx.body = { error: 'temporarily_unavailable', error_description: 'too much to do at this moment; ask again later' }
}
