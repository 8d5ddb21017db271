/** What is refused when there is more to do than this process can, and in which words. */
import type { Context } from 'koa'
import { isBelow } from '../http/problem.ts'
import { commonProblems } from '../http/common-problems.ts'
import { createOverload, type Overload, type ShedReason } from '../http/overload.ts'
import { showPage } from '../interactions/page.ts'
import { MANAGEMENT_BASE } from '../management/api.ts'
import { METADATA_PATH } from '../management/challenge.ts'
import { problemTypeBase } from '../management/problems.ts'
import { cacheablePaths, clientPaths, registrationPath, routes } from '../oidc/routes.ts'
import type { Parts } from './parts.ts'

/** Where programs ask, not people. */
const programPaths: ReadonlySet<string> = new Set([...clientPaths, routes.userinfo, registrationPath])

/** Long polls wait for an event, within the bounds of the feed (RFC 7240 §4.3). */
const WAITS = /\bwait\s*=/i

const TOLD = 'too much to do at this moment; ask again later'
const ERROR = { error: 'temporarily_unavailable', error_description: TOLD }
const oauthError = { type: 'application/json; charset=utf-8', body: JSON.stringify(ERROR) }
const page = {
  type: 'text/html; charset=utf-8',
  body: '<!doctype html><html lang="en"><meta charset="utf-8"><title>Not available at this moment</title><p>The service is busy. Try again in a few minutes.</p></html>',
}

interface SheddingOptions {
  /** Whether the limit follows what is measured; otherwise it is the most that may be under way, always. */
  byDelay: boolean
  /** For metrics: each refusal. */
  onShed?: (reason: ShedReason) => void
}

export function createShedding(
  { config, log, db, renderer }: Pick<Parts, 'config' | 'log' | 'db' | 'renderer'>,
  { byDelay, onShed }: SheddingOptions,
): Overload {
  const { status, title } = commonProblems.unavailable
  const type = `${problemTypeBase(config.issuer)}unavailable`
  const problem = { type: 'application/problem+json', body: JSON.stringify({ type, title, status, detail: TOLD }) }
  return createOverload({
    maxInFlight: config.maxInFlight,
    byDelay,
    delays: [() => db.pool.standingDelayMs()],
    // Verifiers live on these documents, and they come from memory.
    isExempt: (path) => cacheablePaths.has(path) || path === METADATA_PATH || renderer.assets.find(path) !== undefined,
    isPatient: (ctx) => ctx.method === 'GET' && isBelow(MANAGEMENT_BASE, ctx.path) && WAITS.test(ctx.get('prefer')),
    refuse(ctx) {
      if (programPaths.has(ctx.path) || isBelow(MANAGEMENT_BASE, ctx.path)) return tellProgram(ctx)
      const model = { code: 'temporarily_unavailable', traceId: String(ctx.state.traceId) }
      showPage(ctx, renderer, 'error', model, { status: 503 })
    },
    refuseBarely: (path) => (isBelow(MANAGEMENT_BASE, path) ? problem : programPaths.has(path) ? oauthError : page),
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
  ctx.body = ERROR
}
