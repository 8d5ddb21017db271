/**
 * `composition` puts the parts together: it may import everything, decides nothing that belongs to a part, and is imported by
 * server.ts alone. This file is the way of a request.
 */
import Koa, { type Context, type Middleware } from 'koa'
import { addressLimit } from '../http/address-limit.ts'
import { cacheable } from '../http/cacheable.ts'
import { cors } from '../http/cors.ts'
import { forwarded } from '../http/forwarded.ts'
import { health } from '../http/health.ts'
import { isDisconnect } from '../http/http-server.ts'
import { limits } from '../http/limits.ts'
import { isBelow, problemsBelow } from '../http/problem.ts'
import { pathLimits, refuseClient } from '../http/rate-limit/path-limits.ts'
import { createRateLimiter } from '../http/rate-limit/rate-limiter.ts'
import { securityHeaders } from '../http/security-headers.ts'
import { trace } from '../http/trace.ts'
import { fork } from '../http/under.ts'
import { createFormTokens } from '../interactions/page.ts'
import { failed, notFound, serveAssets, tooMany } from '../interactions/other-pages.ts'
import { createInteractions, signInPath } from '../interactions/routes.ts'
import { derive } from '../lib/master-key.ts'
import { MANAGEMENT_BASE } from '../management/api.ts'
import { METADATA_PATH } from '../management/challenge.ts'
import { managementCors } from '../management/cors.ts'
import { problemTypeBase } from '../management/problems.ts'
import { resourceMetadata } from '../management/resource-metadata.ts'
import { type CurrentProvider } from '../oidc/current-provider.ts'
import { createInteractionGateway } from '../oidc/interaction-gateway.ts'
import {
  anonymousPaths,
  cacheablePaths,
  clientPaths,
  corsPaths,
  isForScripts,
  protocolMethods,
  registrationPath,
} from '../oidc/routes.ts'
import { createRegistration } from '../registration/registration.ts'
import type { ClientOrigins } from '../registry/clients/origins.ts'
import { createLoginThrottle } from '../registry/users/throttle.ts'
import { createManagement } from './management.ts'
import { observeRequests } from './observe.ts'
import type { Parts } from './parts.ts'
import { readiness } from './readiness.ts'
import { countRefusals } from './watched.ts'

/** The order in which a request passes everything. */
export function createApp(parts: Parts): Koa {
  const { config, masterKeys, log, db, keys, renderer, origins, hasher, gate } = parts
  const { provider, documents } = parts.issuing
  const { issuer } = config
  const { accessSeconds } = config.tokens
  const gateway = createInteractionGateway(() => provider.get(), { config, db, documents })
  const throttle = createLoginThrottle()
  const tokens = createFormTokens(derive(masterKeys, 'forms'))
  const counted = createRateLimiter({ pool: db.pool, policies: config.rateLimits, log })
  const limiter = countRefusals(counted, parts.telemetry.metrics)
  const management = createManagement(parts, limiter)

  const app = new Koa({ proxy: true })
  app.on('error', (err: Error) => {
    // The error of a broken connection carries the bytes that came in, a password among them: only its name is kept.
    if (isDisconnect(err)) log.info({ reason: err.message }, 'a connection broke off')
    else log.error({ err }, 'a response failed')
  })
  const seen = observeRequests(parts.telemetry, { provider, keys, renderer })
  app.use(trace(log, seen))
  app.use(securityHeaders({ https: config.issuer.startsWith('https:') }))
  app.use(health(() => readiness(parts), parts.phase))
  // Under /api everything that is refused or fails is a problem, whoever does it; elsewhere a page says what went wrong.
  const problems = problemsBelow(MANAGEMENT_BASE, { log, typeBase: problemTypeBase(issuer) })
  app.use(fork(MANAGEMENT_BASE, problems, failed(renderer, log)))
  app.use(limits())
  app.use(forwarded({ origin: issuer, trustProxy: config.trustProxy, api: MANAGEMENT_BASE }))
  // Public documents, the same for everybody and without credentials: anyone's scripts may read them (RFC 8414 §3).
  const isPublic = (path: string) => cacheablePaths.has(path) || path === METADATA_PATH
  app.use(on(isPublic, cors({ isAllowed: 'anyone', methods: ['GET', 'HEAD'] })))
  const { documentAt } = provider
  app.use(
    on((path) => cacheablePaths.has(path), cacheable({ maxAgeSeconds: config.keys.jwksMaxAgeSeconds, documentAt })),
  )
  app.use(on((path) => corsPaths.has(path), protocolCors(origins)))
  // Whoever registers is not known yet, and neither is an origin of theirs; there are no cookies to ride along.
  app.use(on((path) => path === registrationPath, cors({ isAllowed: 'anyone', methods: ['POST'] })))
  app.use(on((path) => isBelow(MANAGEMENT_BASE, path), managementCors({ issuer, origins })))
  // Inside what tells browsers who may read it, before all that costs anything.
  app.use(parts.overload.middleware)
  // Which policy stands before which path: authorization requests by address in memory; these by address for all instances;
  // the APIs ('address' before, 'api' after they know who calls) by themselves.
  app.use(addressLimit({ paths: anonymousPaths, perMinute: config.authorizationsPerMinute }))
  app.use(
    pathLimits(limiter, [
      { policy: 'token', paths: clientPaths, refuse: refuseClient },
      { policy: 'registration', paths: new Set([registrationPath]), refuse: refuseClient },
      { policy: 'login', paths: signInPath, refuse: tooMany(renderer), isQuiet: true },
    ]),
  )
  app.use(resourceMetadata({ issuer }))
  app.use(management)
  app.use(serveAssets(renderer))
  app.use(createRegistration({ db, path: registrationPath, ...config.registration }))
  app.use(protocol(provider.answer))
  for (const page of createInteractions({
    issuer: config.issuer,
    db,
    gateway,
    renderer,
    tokens,
    hasher,
    gate,
    throttle,
    accessSeconds,
  })) {
    app.use(page)
  }
  app.use(notFound(renderer))
  return app
}

/** Whose scripts may read what the protocol answers, before the client is known. Pages and forms are not among its paths. */
function protocolCors(origins: ClientOrigins): Middleware {
  return cors({
    isAllowed: (origin, ctx) => isForScripts(ctx.path) && origins.isRegistered(origin),
    methods: (ctx) => (protocolMethods(ctx.path) ?? []).filter((method) => method !== 'OPTIONS'),
  })
}

/** A middleware for these paths alone. */
function on(isMeant: (path: string) => boolean, middleware: Middleware): Middleware {
  return (ctx, next) => (isMeant(ctx.path) ? middleware(ctx, next) : next())
}

/** Hands requests for the protocol's paths to the library, which answers them itself. */
function protocol(answer: CurrentProvider['answer']): Middleware {
  return async (ctx, next) => {
    const methods = protocolMethods(ctx.path)
    if (!methods) return next()
    const isPreflight = ctx.get('access-control-request-method') !== ''
    if (!methods.includes(ctx.method) || (ctx.method === 'OPTIONS' && !isPreflight)) return tellMethods(ctx, methods)
    return answer(ctx, next)
  }
}

/** RFC 9110 §9.3.7 and §15.5.6. */
function tellMethods(ctx: Context, methods: readonly string[]): undefined {
  ctx.set('Allow', methods.join(', '))
  ctx.status = methods.includes(ctx.method) ? 204 : 405
  if (ctx.status === 405) ctx.body = { error: 'invalid_request', error_description: `use ${methods.join(' or ')} here` }
  return undefined
}
