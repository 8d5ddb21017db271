import type { Context } from 'koa'
import { isLoopbackRedirect, redirectHost } from '../registry/clients/redirect-uri.ts'
import { grantConsent } from '../registry/consents/grant.ts'
import { RegistryError } from '../registry/registry-error.ts'
import { findResourceByAudience } from '../registry/resources/queries.ts'
import type { Resource } from '../registry/resources/resource.ts'
import { findActiveUser } from '../registry/users/queries.ts'
import type { Browser, Pending } from './browser.ts'
import { localeOf, pageOrigin, showPage } from './page.ts'
import { scopeGroups } from './scope-words.ts'

/** Asks the signed-in person whether the client may have what it asks for (OpenID Connect Core §3.1.2.4). */
export async function showConsent(ctx: Context, browser: Browser, pending: Pending): Promise<void> {
  const { renderer, tokens, db, accessSeconds } = browser
  const user = pending.userId === undefined ? undefined : await findActiveUser(db.pool, pending.userId)
  if (!user) return showPage(ctx, renderer, 'expired', { restartUri: pending.restartUri }, { status: 400 })

  const resources = await requestedResources(browser, pending)
  const { redirectUri } = pending
  const base = `/interaction/${pending.uid}`
  const model = {
    action: `${base}/consent`,
    cancelAction: `${base}/cancel`,
    switchAccountAction: `${base}/switch-account`,
    csrf: tokens.make(pending.uid),
    clientName: pending.client.name,
    clientId: pending.client.clientId,
    redirectHost: redirectUri && redirectHost(redirectUri),
    redirectIsLoopback: redirectUri !== undefined && isLoopbackRedirect(redirectUri),
    userCode: pending.device?.userCode,
    user: { name: user.name, username: user.username },
    scopes: scopeGroups(pending.requested, pending.missing, resources, localeOf(ctx, pending.uiLocales)),
    accessSeconds: Math.max(accessSeconds, ...resources.map((resource) => resource.accessTokenTtl ?? 0)),
    offline: pending.offline,
    remembered: pending.remembered,
    firstParty: pending.client.firstParty,
  }
  showPage(ctx, renderer, 'consent', model, {
    uiLocales: pending.uiLocales,
    formTargets: redirectUri ? [redirectUri] : [],
  })
}

/** Keeps the yes for every browser of this person, and goes on. What was shown is what is granted: nothing else. */
export async function allow(ctx: Context, { db, gateway }: Browser, pending: Pending): Promise<string | undefined> {
  const { userId, client, requested } = pending
  if (userId === undefined) return undefined
  const { openid, resources } = requested
  await gateway.keepClient(pending)
  try {
    await db.knex.transaction((trx) =>
      grantConsent(trx, { userId, clientId: client.id, openid, resources, actor: pageOrigin(ctx, userId) }),
    )
  } catch (error) {
    // Whom or what this is about was deleted while the person read the page.
    if (error instanceof RegistryError && error.code === 'not_found') return undefined
    throw error
  }
  return gateway.approve(pending, requested)
}

async function requestedResources({ db }: Browser, { requested }: Pending): Promise<Resource[]> {
  const found = await Promise.all(
    Object.keys(requested.resources).map((audience) => findResourceByAudience(db.pool, audience)),
  )
  return found.filter((resource) => resource !== undefined)
}
