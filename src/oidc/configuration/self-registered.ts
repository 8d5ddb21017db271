/**
 * Clients for which nobody vouches: they registered themselves, or nobody registered them and a document describes them. What
 * the registry says of them is bounded here once more, whatever it says.
 */
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { Database } from '../../database/connect.ts'
import { noteClientUse } from '../../registry/clients/unused.ts'
import { policyOf, type Policy } from './client-metadata.ts'

/** What may differ from one such client to the next. */
export type SelfRegisteredTraits = Omit<Policy, 'firstParty' | 'builtIn' | 'selfRegistered'>

/**
 * The policy of such a client: never first-party, so that everybody is asked each time; never part of Grantry; and with
 * `selfRegistered`, on which all else hangs: no management scopes, no redirects with errors.
 * @param traits `access` is what is open to all of them: `findOpenAccess` of the registry
 */
export function selfRegisteredPolicy(traits: SelfRegisteredTraits): Policy {
  return { ...traits, firstParty: false, builtIn: false, selfRegistered: true }
}

/**
 * Errors of such a client stay here, on a page. Anybody can register a phishing site and send around a link to us that
 * fails at once, as `prompt=none` does: the browser would land there with our name as its witness (RFC 9700 §4.11.2: who
 * does not trust a redirect URI leaves the decision to the person). A refusal on the consent page stays here too.
 */
export function keepErrorsOnPages(provider: Provider): void {
  const events = provider as unknown as {
    prependListener(
      event: string,
      listener: (ctx: KoaContextWithOIDC, error: { allow_redirect?: boolean | undefined }) => void,
    ): void
  }
  // The library tells of the error first, and then asks it whether it may go to the client.
  events.prependListener('authorization.error', (ctx, error) => {
    const { client } = ctx.oidc
    if (!client || !policyOf(client).selfRegistered) return
    error.allow_redirect = false
    // Of errors that are always sent on, it has set the status of a redirect.
    if (ctx.status < 400) ctx.status = 400
  })
}

/** Before the answer leaves: one that nobody uses is deleted some day, and one that was just given tokens is in use. */
export function noteUseOfSelfRegistered(provider: Provider, { pool }: Pick<Database, 'pool'>): void {
  provider.use(async (ctx, next) => {
    await next()
    const { route, client } = ctx.oidc ?? {}
    if (route !== 'token' || ctx.status !== 200 || !client) return
    const { id, selfRegistered } = policyOf(client)
    if (selfRegistered) await noteClientUse(pool, id)
  })
}
