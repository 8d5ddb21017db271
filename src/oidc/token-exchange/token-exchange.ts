/**
 * Token exchange (RFC 8693): an API that was called with a person's token gets one for the next API, and both can tell who
 * acts for whom. It never widens: what comes out is within what the person granted to the app in front, within what that app
 * and the service are registered for, ends no later than the token that came in, and with its family.
 */
import { errors, type Grant, type Provider, type TokenEndpointGrantContext } from 'oidc-provider'
import {
  buildTokenResponse,
  checkDpopReplay,
  checkDpopRequired,
  findAccount,
  resolveRequestedResources,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js'
import type pg from 'pg'
import { managementAudience } from '../../registry/management-scopes.ts'
import { EXCHANGE_GRANT } from '../../registry/clients/client.ts'
import { policyOf } from '../configuration/client-metadata.ts'
import type { JwtAccessTokens } from '../introspection/jwt-access-token.ts'
import { delegate, depthOf } from './delegation.ts'
import { createSubjectTokens, type SubjectToken } from './subject-token.ts'

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
/** A calls B calls C calls D: each stands in the token of the next, which must stay a header's size. */
const MOST_ACTORS = 4
/** What the library may receive several of, so that the answer is ours. */
const REPEATED = ['resource', 'audience']
const PARAMETERS = [
  'subject_token',
  'subject_token_type',
  'actor_token',
  'actor_token_type',
  'requested_token_type',
  'scope',
  ...REPEATED,
]

interface Parameters {
  subject_token?: string
  subject_token_type?: string
  actor_token?: string
  actor_token_type?: string
  requested_token_type?: string
  audience?: string | string[]
}

type Context = TokenEndpointGrantContext<Parameters>

export interface TokenExchangeOptions {
  pool: pg.Pool
  issuer: string
  jwts: JwtAccessTokens
}

export function registerTokenExchange(provider: Provider, { pool, issuer, jwts }: TokenExchangeOptions): void {
  const readSubjectToken = createSubjectTokens({ pool, jwts })
  const management = managementAudience(issuer)

  async function exchange(ctx: Context): Promise<void> {
    const { client, params } = ctx.oidc
    const value = requireSupported(params)
    const dPoP = await validateDpop(provider, ctx)
    checkDpopRequired(provider, ctx, dPoP, errors.InvalidRequest)

    const subject = await readSubjectToken(value)
    if (!subject) throw new errors.InvalidRequest('the subject_token is no live access token of a person')
    if (!policyOf(client).exchangeFrom.includes(subject.audience)) {
      throw new errors.InvalidRequest('the client may not exchange tokens for this audience')
    }
    // Whoever has stolen a bound token must not get one that is not (RFC 9449 §7.2).
    if (subject.keyThumbprint !== undefined && subject.keyThumbprint !== dPoP?.thumbprint) {
      throw new errors.InvalidRequest('the subject_token is bound to a key, of which the request has no proof')
    }
    if (depthOf(subject.act) >= MOST_ACTORS) throw new errors.InvalidRequest('too many act for this person already')

    const target = targetOf(ctx)
    if (target === management) throw new errors.InvalidTarget('the management API takes no exchanged tokens')
    params.resource = target
    const [server] = await resolveRequestedResources(provider, ctx)
    const account = await findAccount(provider, ctx, subject.userId)
    const grant = await provider.Grant.find(subject.grantId)
    if (!server || !account || !grant) throw new errors.InvalidRequest('the subject_token was revoked')
    const scope = scopeOf(ctx, target, { subject, offered: server.scopes, granted: await grantedOf(grant, target) })

    await checkDpopReplay(provider, ctx, dPoP, client.clientId)
    ctx.oidc.entity('Account', account)
    ctx.oidc.entity('Grant', grant)
    const { act, authTime, acr, grantId, sessionUid } = subject
    delegate(ctx, { act: { sub: client.clientId, ...(act && { act }) }, authTime, acr })
    const token = new provider.AccessToken({
      accountId: account.accountId,
      client,
      grantId,
      gty: EXCHANGE_GRANT,
      ...(sessionUid !== undefined && { expiresWithSession: true, sessionUid }),
    } as ConstructorParameters<typeof provider.AccessToken>[0])
    token.resourceServer = server
    token.scope = scope
    if (dPoP) token.setThumbprint('jkt', dPoP.thumbprint)
    const timed = token as typeof token & { expiresIn: number }
    timed.expiresIn = Math.min(token.expiration, secondsLeft(subject))
    ctx.oidc.entity('AccessToken', token)
    const accessToken = await token.save()
    ctx.body = buildTokenResponse(provider, {
      accessToken,
      expiresIn: token.expiration,
      issuedTokenType: ACCESS_TOKEN,
      scope,
      tokenType: token.tokenType,
    })
  }

  /** What the person granted for the target to the app in front, and that app may still have. */
  async function grantedOf(grant: Grant, target: string): Promise<string[]> {
    const app = await provider.Client.find(grant.clientId ?? '').catch(missing)
    const registered = app && policyOf(app).access.find(({ audience }) => audience === target)
    const granted = grant.getResourceScope(target).split(' ')
    return registered?.scopes.filter((scope) => granted.includes(scope)) ?? []
  }

  provider.registerGrantType<Parameters>(EXCHANGE_GRANT, exchange, PARAMETERS, REPEATED)
}

/**
 * @returns the subject token
 * @throws InvalidRequest for what RFC 8693 §2.1 has and we have not
 */
function requireSupported(params: Parameters): string {
  if (params.subject_token === undefined || params.subject_token === '') {
    throw new errors.InvalidRequest("missing required parameter 'subject_token'")
  }
  if (params.subject_token_type !== ACCESS_TOKEN) {
    throw new errors.InvalidRequest(`subject_token_type must be ${ACCESS_TOKEN}`)
  }
  if ((params.requested_token_type ?? ACCESS_TOKEN) !== ACCESS_TOKEN) {
    throw new errors.InvalidRequest(`requested_token_type must be ${ACCESS_TOKEN}`)
  }
  if (params.actor_token !== undefined || params.actor_token_type !== undefined) {
    throw new errors.InvalidRequest('actor_token is not supported: who acts is the client that asks')
  }
  return params.subject_token
}

/** The one API that the token shall be for, which `resource` or `audience` names; ours are the same. */
function targetOf({ oidc }: Context): string {
  const named = new Set([oidc.params.resource ?? [], oidc.params.audience ?? []].flat())
  const registered = policyOf(oidc.client).access.map(({ audience }) => audience)
  const targets = named.size > 0 ? [...named] : registered
  const [target] = targets
  if (target === undefined || targets.length > 1) {
    throw new errors.InvalidTarget('say by resource for which one API the token shall be')
  }
  return target
}

/** The app in front may be one whose metadata document is bad now: that is no fault of the client that asks. */
function missing(error: unknown): undefined {
  if (!(error instanceof errors.InvalidClient)) throw error
}

interface Bounds {
  subject: SubjectToken
  /** What the client may have of the target. */
  offered: ReadonlySet<string>
  granted: readonly string[]
}

/** @throws InvalidTarget when nothing may be had, InvalidScope when less may be had than was asked for */
function scopeOf({ oidc }: Context, target: string, { subject, offered, granted }: Bounds): string {
  // For the same API the token that came in is one more bound; of another API it says nothing.
  const carried = subject.audience === target ? subject.scopes : granted
  const possible = granted.filter((scope) => offered.has(scope) && carried.includes(scope))
  if (possible.length === 0)
    throw new errors.InvalidTarget('the person granted nothing of this API that may be exchanged')
  const asked = [...oidc.requestParamScopes]
  const beyond = asked.find((scope) => !possible.includes(scope))
  if (beyond !== undefined) throw new errors.InvalidScope('the exchange would widen what was granted', beyond)
  return (asked.length > 0 ? asked : possible).join(' ')
}

function secondsLeft({ expiresAt }: SubjectToken): number {
  const left = expiresAt - Math.floor(Date.now() / 1000)
  if (left < 1) throw new errors.InvalidRequest('the subject_token is no live access token of a person')
  return left
}
