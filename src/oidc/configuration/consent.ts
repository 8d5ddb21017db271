/**
 * Consent, grant and family are three things. Consent is what a person decided, kept by the registry across browsers. A
 * grant is made from it for one session and client, and all tokens under it form one family: a replayed token on the phone
 * must not kill the laptop.
 */
import { interactionPolicy, type Grant, type KoaContextWithOIDC } from 'oidc-provider'
import type { Database } from '../../database/connect.ts'
import { recordChange } from '../../events/audit.ts'
import { appendEvent } from '../../events/outbox.ts'
import { isCustomSchemeRedirect, isLoopbackRedirect } from '../../registry/clients/redirect-uri.ts'
import { consentedScopes } from '../../registry/consents/queries.ts'
import type { User } from '../../registry/users/user.ts'
import { asksForOtherAccount, isForDevice, rememberBrowser } from '../device-flow.ts'
import { claimPlace, GrantChangedError, GrantPlaceTaken } from '../grant-place.ts'
import { requestedBy } from '../origin.ts'
import { passwordOfSignIn, passwordSetAt } from '../sign-in.ts'
import { sidOf } from '../logout-tokens.ts'
import { policyOf } from './client-metadata.ts'
import type { ManagementRules } from './management.ts'

/** Scopes by where they count: OpenID's own, and those of each resource by its audience. */
export interface Scopes {
  openid: string[]
  resources: Record<string, string[]>
}

/**
 * RFC 8252 §8.6: on a loopback or custom-scheme redirect any app on the device can pose as a public client, so nothing may
 * be granted without asking. A confidential client proves itself at the token endpoint. For a client that registered itself
 * nobody vouches (ASVS 5.0 §10.7.1): a yes to its name yesterday says nothing of who uses the name today.
 */
export function mustAlwaysAsk(
  client: { kind: string; builtIn: boolean; selfRegistered: boolean },
  redirectUri: string,
): boolean {
  if (client.selfRegistered) return true
  if (client.builtIn || client.kind === 'web') return false
  return isLoopbackRedirect(redirectUri) || isCustomSchemeRedirect(redirectUri)
}

/** A device can be told from an impostor by nobody but the person: whoever sent them the code may be one (RFC 8628 §5.4). */
function isAlwaysAsked(ctx: KoaContextWithOIDC): boolean {
  const { client, params } = ctx.oidc
  return isForDevice(ctx) || (!!client && mustAlwaysAsk(policyOf(client), String(params?.redirect_uri)))
}

export function interactionRules(management: ManagementRules) {
  const { Check, base } = interactionPolicy
  const policy = base()
  const ask = (check: (ctx: KoaContextWithOIDC) => boolean) => (ctx: KoaContextWithOIDC) =>
    check(ctx) ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT

  // A person who was disabled or deleted between two lines of this request: sign in again, not an internal error.
  policy.get('login')?.checks.add(
    new Check(
      'account_gone',
      'the account is no longer there',
      ask(({ oidc }) => !!oidc.session?.accountId && !oidc.account),
    ),
  )
  policy
    .get('login')
    ?.checks.add(new Check('other_account', 'the person wants another account', ask(asksForOtherAccount)))
  policy.get('login')?.checks.add(
    new Check(
      'password_changed',
      'the password was changed after the sign-in',
      ask((ctx) => {
        const password = passwordOfSignIn(ctx)
        const { user } = (ctx.oidc.account ?? {}) as { user?: User }
        return password !== null && user !== undefined && password !== passwordSetAt(user)
      }),
    ),
  )
  policy.get('consent')?.checks.add(
    new Check(
      'identity_not_assured',
      'the client can not be told from an impostor',
      ask((ctx) => !ctx.oidc.result?.consent && isAlwaysAsked(ctx)),
    ),
  )
  policy.get('consent')?.checks.add(
    new Check(
      'roles_allow_nothing',
      'the roles of the user allow nothing of this',
      // There is nothing to ask: the request ends here. Not before sign-in, where another person may take over.
      ask((ctx) => management.leavesNothing(ctx) && management.refuseRequest()),
    ),
  )
  return policy
}

/**
 * The grant under which this authorization request may be answered: the session's own, widened or newly made when the
 * person has just approved, consented earlier (in whatever browser), or the operator calls the client first-party.
 */
export function createGrantLoader({ db, management }: { db: Database; management: ManagementRules }) {
  return async function loadExistingGrant(ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
    const { client, account, session } = ctx.oidc
    if (!client || !account || !session) return undefined
    if (management.leavesNothing(ctx)) return undefined
    management.limitRequest(ctx)
    if (isForDevice(ctx)) rememberBrowser(ctx)
    const requested = requestedScopes(ctx)
    const approval = await approvedScopes(ctx, db, requested)
    const { accountId } = account
    let isRecorded = false
    for (;;) {
      const existing = await existingGrant(ctx)
      if (existing && covers(grantedScopes(existing, requested), requested)) return existing
      if (!approval || !covers(approval.scopes, requested)) return existing
      const grant = existing ?? new ctx.oidc.provider.Grant({ accountId, clientId: client.clientId })
      // First the trace: a grant that could not leave one is not made.
      if (approval.by === 'first-party' && !isRecorded)
        await recordSkippedConsent(ctx, db, accountId, client.clientId, requested)
      isRecorded = true
      widen(grant, requested)
      if (await isSaved(ctx, grant)) return grant
    }
  }
}

/**
 * Saves a grant in the session's place for this app.
 * @returns false when another tab was there first: the session of this request then has the grant of that one, as it now is
 */
async function isSaved(ctx: KoaContextWithOIDC, grant: Grant): Promise<boolean> {
  const { client, session } = ctx.oidc
  // A native app's tokens do not hang on the session; each sign-in is a family of its own.
  if (client && session && policyOf(client).kind !== 'native' && !isForDevice(ctx)) {
    const { clientId } = client
    const sid = sidOf(session.uid, clientId)
    session.sidFor(clientId, sid)
    claimPlace(ctx, { sid, grantId: session.grantIdFor(clientId) })
  }
  try {
    await grant.save()
    return true
  } catch (error) {
    if (error instanceof GrantChangedError) return false
    if (!(error instanceof GrantPlaceTaken) || !client || !session || !error.by.grantId) throw error
    session.sidFor(client.clientId, error.by.sid)
    session.grantIdFor(client.clientId, error.by.grantId)
    return false
  }
}

/** Native apps get a family for each sign-in: one client id on two devices must not share a fate. */
async function existingGrant(ctx: KoaContextWithOIDC): Promise<Grant | undefined> {
  const { client, session, account, provider, result } = ctx.oidc
  if (!client || !session || isForDevice(ctx)) return undefined
  if (policyOf(client).kind === 'native' && result?.consent) return undefined
  const id = session.grantIdFor(client.clientId)
  const grant = id ? await provider.Grant.find(id) : undefined
  // A session that changed hands keeps the ids of the person before.
  return grant?.accountId === account?.accountId && grant?.clientId === client.clientId ? grant : undefined
}

async function approvedScopes(
  ctx: KoaContextWithOIDC,
  db: Database,
  requested: Scopes,
): Promise<{ by: 'person' | 'consent' | 'first-party'; scopes: Scopes } | undefined> {
  const { client, account, result } = ctx.oidc
  if (!client || !account) return undefined
  const approved = result?.consent as { approved?: Scopes } | undefined
  if (approved?.approved) return { by: 'person', scopes: approved.approved }
  const policy = policyOf(client)
  if (isAlwaysAsked(ctx)) return undefined
  if (policy.builtIn || policy.firstParty) return { by: 'first-party', scopes: requested }
  return { by: 'consent', scopes: await consentedScopes(db.pool, account.accountId, policy.id) }
}

function requestedScopes({ oidc }: KoaContextWithOIDC): Scopes {
  const wanted = [...oidc.requestParamScopes]
  const resources = Object.entries(oidc.resourceServers ?? {}).map(
    ([audience, server]) => [audience, wanted.filter((scope) => server.scopes.has(scope))] as const,
  )
  return {
    openid: [...oidc.requestParamOIDCScopes],
    resources: Object.fromEntries(resources.filter(([, scopes]) => scopes.length > 0)),
  }
}

function grantedScopes(grant: Grant, { resources }: Scopes): Scopes {
  const words = (text: string) => text.split(' ').filter(Boolean)
  return {
    openid: words(grant.getOIDCScope()),
    resources: Object.fromEntries(
      Object.keys(resources).map((audience) => [audience, words(grant.getResourceScope(audience))]),
    ),
  }
}

function covers(granted: Scopes, requested: Scopes): boolean {
  const within = (inner: string[], outer: string[] = []) => inner.every((scope) => outer.includes(scope))
  return (
    within(requested.openid, granted.openid) &&
    Object.entries(requested.resources).every(([audience, scopes]) => within(scopes, granted.resources[audience]))
  )
}

function widen(grant: Grant, { openid, resources }: Scopes): void {
  if (openid.length > 0) grant.addOIDCScope(openid.join(' '))
  for (const [audience, scopes] of Object.entries(resources)) grant.addResourceScope(audience, scopes.join(' '))
}

/** Skipping consent is the operator's decision, and leaves a trace. */
async function recordSkippedConsent(
  ctx: KoaContextWithOIDC,
  db: Database,
  userId: string,
  clientId: string,
  scopes: Scopes,
): Promise<void> {
  const actor = requestedBy(ctx, userId, 'page')
  await db.knex.transaction(async (trx) => {
    await appendEvent(trx, { type: 'consent.skipped', actor, userId, clientId, data: { ...scopes } })
    await recordChange(trx, actor, { action: 'consent.skip', subject: clientId, userId, after: scopes })
  })
}
