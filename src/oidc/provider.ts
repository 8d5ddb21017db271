/**
 * `oidc` is the one folder that knows the protocol library. It hands the library our storage, our registry and our rules,
 * each in a file of its own under configuration/, and knows nothing of pages or of the management API.
 */
import { Provider, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import type { Config } from '../config/load.ts'
import type { Database } from '../database/connect.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import type { KeySet } from '../keys/ring.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { LoginThrottle } from '../registry/users/throttle.ts'
import type { Storage } from './adapter/adapter.ts'
import { claims, createFindAccount, extraTokenClaims, nameGrant, PASSWORD_SIGN_IN } from './configuration/account.ts'
import { ASSERTION_ALGORITHMS, createAssertionCheck } from './configuration/client-assertions.ts'
import { POLICY } from './configuration/client-metadata.ts'
import { createGrantLoader, interactionRules } from './configuration/consent.ts'
import { acceptRetiredNonces, claimProofs, dpop, DPOP_ALGORITHMS } from './configuration/dpop.ts'
import { expiresWithSession, issueRefreshToken, lifetimes } from './configuration/lifetimes.ts'
import { createManagementRules } from './configuration/management.ts'
import { enforceProfiles, fapi, rotateRefreshToken } from './configuration/profiles.ts'
import { REQUEST_OBJECT_ALGORITHMS, requestObjects } from './configuration/request-objects.ts'
import { resourceIndicators } from './configuration/resources.ts'
import { keepErrorsOnPages, noteUseOfSelfRegistered } from './configuration/self-registered.ts'
import { createCookieKeys } from './cookie-keys.ts'
import { keepBuiltClients } from './built-clients.ts'
import { answerForStructuredTokens, createIntrospectionPolicy } from './introspection/answer.ts'
import { createJwtAccessTokens } from './introspection/jwt-access-token.ts'
import { applyDeviceRules, deviceFlow, type DevicePages } from './device-flow.ts'
import { answerBusy, BUSY } from './busy.ts'
import { reportErrors, reportTokens, type IssuedTokens } from './listeners.ts'
import { applyModelRules } from './model-rules.ts'
import { givePlainContexts } from './plain-context.ts'
import { signingKeys } from './signing-keys.ts'
import { allowStepUpWithoutOpenid } from './step-up.ts'
import { registerTokenExchange } from './token-exchange/token-exchange.ts'
import { isResumePath, registrationPath, routes } from './routes.ts'

/** The pages that the library asks for; interactions/ fills them in. */
export interface ProtocolPages {
  error(ctx: KoaContextWithOIDC, out: { error: string; error_description?: string | undefined }): void | Promise<void>
  confirmLogout(ctx: KoaContextWithOIDC, form: { action: string; xsrf: string }): void | Promise<void>
  loggedOut(ctx: KoaContextWithOIDC): void | Promise<void>
  device: Omit<DevicePages, 'error'>
}

export interface ProviderDependencies {
  config: Config
  db: Database
  masterKeys: MasterKeys
  storage: Storage
  pages: ProtocolPages
  log: Logger
  /** Slows down guessing of user codes. */
  guesses: LoginThrottle
  /** Takes note of tokens that were given out; left out: nobody does. */
  onTokens?: ((tokens: IssuedTokens) => void) | undefined
}

const CLIENT_AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const

givePlainContexts()

/** One provider for one set of signing keys. Making one costs under a millisecond; all state is in the database. */
export function createProvider(deps: ProviderDependencies, keys: KeySet): Provider {
  const provider = new Provider(deps.config.issuer, configuration(deps, keys))
  // Requests arrive here with X-Forwarded-Proto set by our own edge and by nobody else.
  provider.proxy = true
  keepBuiltClients(provider)
  applyModelRules(provider, { masterKeys: deps.masterKeys, sessions: deps.storage.sessions })
  acceptRetiredNonces(provider, deps.masterKeys)
  claimProofs(provider, deps.storage.replays)
  answerFailures(provider, deps.log)
  resumeWithoutQuery(provider)
  allowStepUpWithoutOpenid(provider)
  closeRedemptions(provider, deps.storage)
  noteUseOfSelfRegistered(provider, deps.db)
  applyDeviceRules(provider, deps)
  const jwts = createJwtAccessTokens({ pool: deps.db.pool, issuer: deps.config.issuer }, keys)
  registerTokenExchange(provider, { pool: deps.db.pool, issuer: deps.config.issuer, jwts })
  const { families } = deps.storage
  answerForStructuredTokens(provider, { jwts, families, mayIntrospect: createIntrospectionPolicy(deps.db) })
  reportErrors(provider, deps.log)
  keepErrorsOnPages(provider)
  enforceProfiles(provider)
  if (deps.onTokens) reportTokens(provider, deps.onTokens)
  return provider
}

/**
 * The library answers what fails in its own steps. A session is saved after them: when that fails, the answer that was
 * ready must not leave, for it may hold a code, and the bare text that Koa would send has lost every header.
 */
function answerFailures(provider: Provider, log: Logger): void {
  provider.use(async (ctx, next) => {
    try {
      await next()
    } catch (err) {
      if (ctx.headerSent || !ctx.writable) throw err
      const facts = { err, route: ctx.oidc?.route, trace_id: ctx.response.get('x-request-id') }
      for (const name of ['Location', 'Set-Cookie']) ctx.remove(name)
      if (answerBusy(ctx, err)) {
        log.warn(facts, 'not available for now')
        ctx.body = BUSY
        return
      }
      log.error(facts, 'internal error')
      ctx.status = 500
      ctx.body = { error: 'server_error', error_description: 'the server failed; its operator finds out why' }
    }
  })
}

/**
 * A resumed request takes everything from what was stored. When nothing is, the library's error handler would look into the
 * query instead, and falls over one that names a client without a redirect URI.
 */
function resumeWithoutQuery(provider: Provider): void {
  provider.use((ctx, next) => {
    if (isResumePath(ctx.path)) ctx.querystring = ''
    return next()
  })
}

/** Everything for a code is stored, and nothing sent: what comes now with the same code is a replay (see artifacts.ts). */
function closeRedemptions(provider: Provider, { codes, deviceCodes }: Storage): void {
  provider.use(async (ctx, next) => {
    await next()
    const { route, entities } = ctx.oidc ?? {}
    if (route !== 'token' || ctx.status !== 200) return
    if (entities?.AuthorizationCode) await codes.answered(entities.AuthorizationCode.jti)
    if (entities?.DeviceCode) await deviceCodes.answered(entities.DeviceCode.jti)
  })
}

function configuration({ config, db, masterKeys, storage, pages }: ProviderDependencies, keys: KeySet): Configuration {
  const management = createManagementRules(config.issuer)
  return {
    adapter: (model: string) => storage.adapter(model),
    jwks: signingKeys(keys),
    routes,
    discovery: whatTheLibraryDoesNotKnow(config),
    // OAuth 2.1: the code flow alone, with PKCE S256 for every client (RFC 9700 §2.1.1).
    responseTypes: ['code'],
    pkce: { required: () => true },
    scopes: ['openid', 'offline_access'],
    claims,
    acrValues: [PASSWORD_SIGN_IN.acr],
    subjectTypes: ['public'],
    clientAuthMethods: [...CLIENT_AUTH_METHODS],
    assertJwtClientAuthClaimsAndHeader: createAssertionCheck(config.issuer),
    extraClientMetadata: { properties: [POLICY] },
    clientDefaults: {
      response_types: ['code'],
      grant_types: ['authorization_code'],
      id_token_signed_response_alg: 'RS256',
    },
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'ES256'],
      clientAuthSigningAlgValues: [...ASSERTION_ALGORITHMS],
      dPoPSigningAlgValues: [...DPOP_ALGORITHMS],
      requestObjectSigningAlgValues: [...REQUEST_OBJECT_ALGORITHMS],
      authorizationSigningAlgValues: ['RS256', 'ES256'],
    },
    findAccount: createFindAccount(db, management),
    extraTokenClaims,
    formats: { customizers: { jwt: nameGrant } },
    ttl: lifetimes(config),
    expiresWithSession,
    issueRefreshToken,
    rotateRefreshToken,
    loadExistingGrant: createGrantLoader({ db, management }),
    interactions: { policy: interactionRules(management), url: (_ctx, { uid }) => `/interaction/${uid}` },
    cookies: cookies(config.issuer, masterKeys),
    renderError: (ctx, out, err) => pages.error(ctx, answerBusy(ctx, err) ? BUSY : out),
    features: {
      devInteractions: { enabled: false },
      // The library's name for keys that sign by our code: see signing-keys.ts.
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      clientCredentials: { enabled: true },
      userinfo: { enabled: true },
      introspection: { enabled: true, allowedPolicy: createIntrospectionPolicy(db) },
      // A token takes no harm from any client but its own (RFC 7009 §2.1).
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      resourceIndicators: resourceIndicators(management),
      deviceFlow: deviceFlow({ ...pages.device, error: (ctx, out) => pages.error(ctx, out) }),
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx) => pages.confirmLogout(ctx, logoutForm(ctx)),
        postLogoutSuccessSource: (ctx) => pages.loggedOut(ctx),
      },
      dPoP: dpop(masterKeys),
      fapi,
      pushedAuthorizationRequests: { enabled: true },
      requestObjects: requestObjects(config.issuer),
      // Signed answers (JARM): whoever asks for one can tell that the code comes from here, and for whom.
      jwtResponseModes: { enabled: true },
    },
  } satisfies Configuration
}

/** Of what is answered in front of the library, or behind it. */
function whatTheLibraryDoesNotKnow({ issuer, registration, clientDocuments }: Config): Configuration['discovery'] {
  const proofs = ['revocation', 'introspection'].flatMap((name) => [
    [`${name}_endpoint_auth_methods_supported`, CLIENT_AUTH_METHODS],
    [`${name}_endpoint_auth_signing_alg_values_supported`, ASSERTION_ALGORITHMS],
  ])
  return {
    // RFC 8414 §2: left out, revocation would mean client_secret_basic alone. All endpoints take the same.
    ...(Object.fromEntries(proofs) as Record<string, readonly string[]>),
    prompt_values_supported: ['none', 'login', 'consent'],
    // Logout tokens are sent from a queue; see logout-tokens.ts.
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    ...(registration.mode === 'off' ? {} : { registration_endpoint: issuer + registrationPath }),
    // The library's own support is an experiment with a cache for each process; see client-documents/.
    ...(clientDocuments.enabled ? { client_id_metadata_document_supported: true } : {}),
  }
}

/** `__Host-` pins a cookie to this host and path / (RFC 6265bis §4.1.3.2); browsers take it over TLS only. */
function cookies(issuer: string, masterKeys: MasterKeys): NonNullable<Configuration['cookies']> {
  const secure = issuer.startsWith('https:')
  const common = { httpOnly: true, sameSite: 'lax', signed: true, secure, overwrite: true } as const
  return {
    names: {
      session: secure ? '__Host-session' : 'session',
      // The path of these two is that of their page, which `__Host-` forbids.
      interaction: secure ? '__Secure-interaction' : 'interaction',
      resume: secure ? '__Secure-resume' : 'resume',
    },
    // Koa takes whatever signs and verifies; the library's types know of keys alone.
    keys: createCookieKeys(masterKeys) as unknown as Buffer[],
    long: { ...common, path: '/' },
    short: common,
  }
}

function logoutForm(ctx: KoaContextWithOIDC): { action: string; xsrf: string } {
  return {
    action: new URL(ctx.oidc.urlFor('end_session_confirm')).pathname,
    xsrf: (ctx.oidc.session?.state as { secret?: string } | undefined)?.secret ?? '',
  }
}
