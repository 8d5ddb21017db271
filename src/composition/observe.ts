/** What is seen of each request: its route, and at the token endpoint what was asked for and what came of it. */
import type { IncomingMessage } from 'node:http'
import type { Context } from 'koa'
import { isBelow } from '../http/problem.ts'
import type { Observers } from '../http/trace.ts'
import type { Renderer } from '../interactions/pages/render.ts'
import type { KeyRing } from '../keys/ring.ts'
import { MANAGEMENT_BASE } from '../management/api.ts'
import { METADATA_PATH } from '../management/challenge.ts'
import type { CurrentProvider } from '../oidc/current-provider.ts'
import { reportGrants, type GrantReport } from '../oidc/grant-reports.ts'
import { isResumePath, protocolMethods, registrationPath, routes } from '../oidc/routes.ts'
import type { Telemetry } from './telemetry.ts'

/** Everything that nobody answers for: what scanners try must not make a series each. */
const UNKNOWN = 'unknown'
const FIXED = new Set(['/', '/health/live', '/health/ready', registrationPath, METADATA_PATH])

/** Who watches the requests; undefined when nobody does. */
export function observeRequests(
  { metrics, tracing }: Telemetry,
  { provider, keys, renderer }: { provider: CurrentProvider; keys: KeyRing; renderer: Renderer },
): Observers {
  const routeOf = createRouteNames(renderer)
  if (!metrics.isOn && !tracing) return { metrics, routeOf }
  const grants = new WeakMap<IncomingMessage, GrantReport>()
  const watch = () => reportGrants(provider.get(), (request, grant) => void grants.set(request, grant))
  watch()
  // After the one that makes the new provider, which was there before.
  keys.onChange(watch)
  return {
    metrics,
    tracing,
    routeOf,
    onAnswered(ctx, { route, status, seconds, span }) {
      if (route !== routes.token || ctx.method !== 'POST') return
      const grant = grants.get(ctx.req)
      metrics.token(grant?.grantType ?? 'none', outcomeOf(grant, status), seconds)
      if (!span || !grant) return
      span.set('grantry.grant_type', grant.grantType)
      span.set('grantry.outcome', outcomeOf(grant, status))
      if (grant.clientId !== undefined) span.set('grantry.client_id', grant.clientId)
    },
  }
}

/** An answer may fail after it was reported, and many are refused before the library sees them. */
function outcomeOf(grant: GrantReport | undefined, status: number): string {
  if (status === 429 || status === 503) return 'temporarily_unavailable'
  if (status >= 500) return 'server_error'
  if (grant) return grant.outcome
  return status < 400 ? 'success' : 'invalid_request'
}

/** Names a request's route when it is answered: always one of a few. */
function createRouteNames({ assets }: Renderer): (ctx: Context) => string {
  const ofPages = new Map<string, string>()

  /** `/interaction/:uid/login` → `/interaction/{uid}/login`; there are as many as pages. */
  function pageRoute(template: string): string {
    const known = ofPages.get(template)
    if (known !== undefined) return known
    const name = template.replaceAll(/:(\w+)/g, '{$1}').replace(/(?<=.)\/$/, '')
    ofPages.set(template, name)
    return name
  }

  return (ctx) => {
    const { path, state, _matchedRoute: page } = ctx as Context & { state: { route?: string }; _matchedRoute?: unknown }
    if (state.route !== undefined) return state.route
    if (typeof page === 'string') return pageRoute(page)
    if (isResumePath(path)) return path.startsWith(routes.authorization) ? '/authorize/{uid}' : '/device/{uid}'
    if (protocolMethods(path) || FIXED.has(path)) return path
    if (isBelow(MANAGEMENT_BASE, path)) return `${MANAGEMENT_BASE}/*`
    return assets.find(path) ? '/assets/*' : UNKNOWN
  }
}
