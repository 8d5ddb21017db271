/**
 * What the pages may ask of the protocol. They see plain values; the library stays behind this file.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { errors, type Client, type InteractionResults, type Provider } from 'oidc-provider'
import type { Config } from '../config/load.ts'
import type { Database } from '../database/connect.ts'
import { ACCOUNT_CLIENT_ID } from '../registry/clients/client.ts'
import { isMetadataUrl } from '../registry/clients/metadata-url.ts'
import { findActiveUser } from '../registry/users/queries.ts'
import type { User } from '../registry/users/user.ts'
import type { ClientDocuments } from './client-documents/client-documents.ts'
import { userCodeOf } from './adapter/device-codes.ts'
import { policyOf, type Policy } from './configuration/client-metadata.ts'
import { mustAlwaysAsk, type Scopes } from './configuration/consent.ts'
import { createManagementRules } from './configuration/management.ts'
import { deviceUri, shownUserCode } from './device-flow.ts'
import { routes } from './routes.ts'
import { signInOf } from './sign-in.ts'

export type { Scopes }

/** An authorization request that waits for a person. */
export interface PendingInteraction {
  uid: string
  prompt: 'login' | 'consent'
  /** `id` is the registry's, `clientId` what the client calls itself. */
  client: { id: string; clientId: string; name: string; kind: string; firstParty: boolean }
  /** Where the answer goes; undefined when it goes to a device. */
  redirectUri: string | undefined
  /** The device that waits for the answer, by the code that it shows. */
  device: { userCode: string } | undefined
  /** Who is signed in, if anybody. */
  userId: string | undefined
  loginHint: string | undefined
  uiLocales: string | undefined
  /** What the client asks for. */
  requested: Scopes
  /** What of it the person must still decide about. */
  missing: Scopes
  /** Whether an approval will be kept for next time. */
  remembered: boolean
  /** How long the client could renew its access, or null when it can't. */
  offline: { bound: 'session' | 'absolute'; seconds: number } | null
  /** Where the same request starts afresh, asking for sign-in. */
  restartUri: string
}

export interface BrowserSession {
  uid: string
  userId: string
}

export interface InteractionGateway {
  /** The interaction of this browser, or undefined when it expired, ended, or belongs to another browser. */
  find(req: IncomingMessage, res: ServerResponse): Promise<PendingInteraction | undefined>
  /** Signs the person in and goes on. @returns where to, or undefined when the interaction has ended */
  signIn(pending: PendingInteraction, user: User): Promise<string | undefined>
  /** Makes sure that the registry has the client, so that a consent can be kept for it. */
  keepClient(pending: PendingInteraction): Promise<void>
  /** Goes on with what the person approved. */
  approve(pending: PendingInteraction, approved: Scopes): Promise<string | undefined>
  /** Goes back to the client with access_denied (RFC 6749 §4.1.2.1). */
  refuse(pending: PendingInteraction): Promise<string | undefined>
  /** The signed-in session of this browser. */
  session(req: IncomingMessage, res: ServerResponse): Promise<BrowserSession | undefined>
  /** Throws away a code of the account page, which wants the session and no tokens. Codes of others are left alone. */
  discardCode(code: string): Promise<void>
}

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>

interface Details {
  uid: string
  prompt: { name: string; details: Record<string, unknown> }
  params: Record<string, unknown>
  deviceCode?: string
  session?: { accountId?: string }
}

export interface GatewayDependencies {
  config: Config
  db: Pick<Database, 'pool'>
  documents?: Pick<ClientDocuments, 'keep'> | undefined
}

export function createInteractionGateway(
  current: () => Provider,
  { config, db, documents }: GatewayDependencies,
): InteractionGateway {
  const management = createManagementRules(config.issuer)

  /** What the person can decide about: scopes that their roles rule out are neither shown nor granted. */
  async function limited(pending: PendingInteraction): Promise<PendingInteraction> {
    const { userId, requested } = pending
    const user = userId === undefined ? undefined : await findActiveUser(db.pool, userId)
    const resources = user ? management.allowed(requested.resources, user.roles) : requested.resources
    return { ...pending, requested: { ...requested, resources } }
  }

  /** What the library has of each that was found: the decision is written to it, and only while it waits for one. */
  const found = new WeakMap<PendingInteraction, Interaction>()

  function finish(pending: PendingInteraction, result: InteractionResults): Promise<string | undefined> {
    return unlessEnded(async () => {
      const interaction = found.get(pending)
      if (!interaction) throw new errors.SessionNotFound('the interaction was not found by this gateway')
      interaction.result = result
      await interaction.save(interaction.exp - Math.floor(Date.now() / 1000))
      return interaction.returnTo
    })
  }

  return {
    async find(req, res) {
      const interaction = await unlessEnded(() => current().interactionDetails(req, res))
      if (!interaction) return undefined
      const details = interaction as unknown as Details
      const client = await current().Client.find(String(details.params.client_id))
      if (!client) return undefined
      const pending = await limited(describe(details, client, config))
      found.set(pending, interaction)
      return pending
    },
    signIn: (pending, user) => finish(pending, { login: signInOf(user) }),
    async keepClient({ client }) {
      if (isMetadataUrl(client.clientId)) await documents?.keep(client.clientId)
    },
    // What was submitted before, the sign-in of this very request, still counts.
    approve: (pending, approved) => finish(pending, { ...found.get(pending)?.lastSubmission, consent: { approved } }),
    refuse: (pending) => finish(pending, { error: 'access_denied', error_description: 'the end-user refused' }),
    async session(req, res) {
      const provider = current()
      const session = await provider.Session.get(provider.createContext(req, res) as never)
      return session.accountId ? { uid: session.uid, userId: session.accountId } : undefined
    },
    async discardCode(code) {
      const found = await current().AuthorizationCode.find(code)
      // Another client's code must stay: its row is what shows a second use of it (RFC 6749 §4.1.2).
      if (found?.clientId === ACCOUNT_CLIENT_ID) await found.destroy()
    },
  }
}

/** The library throws SessionNotFound for every interaction that is over; for a page that is an answer, not an error. */
async function unlessEnded<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return undefined
    throw error
  }
}

function describe(
  { uid, prompt, params, session, deviceCode }: Details,
  client: Client,
  config: Config,
): PendingInteraction {
  const policy = policyOf(client)
  const redirectUri = text(params.redirect_uri)
  const userCode = deviceCode === undefined ? undefined : userCodeOf(deviceCode)
  const device = userCode === undefined ? undefined : { userCode: shownUserCode(userCode) }
  return {
    uid,
    prompt: prompt.name === 'consent' ? 'consent' : 'login',
    client: {
      id: policy.id,
      clientId: client.clientId,
      name: client.clientName ?? '',
      kind: policy.kind,
      firstParty: policy.firstParty,
    },
    redirectUri,
    device,
    userId: session?.accountId,
    loginHint: text(params.login_hint),
    uiLocales: text(params.ui_locales),
    requested: requested(params, policy),
    missing: missing(prompt.details),
    remembered: redirectUri !== undefined && !mustAlwaysAsk(policy, redirectUri),
    offline: offline(client, policy, words(params.scope), config),
    restartUri: device
      ? deviceUri(device.userCode, { switch_account: 'yes' })
      : `${routes.authorization}?${restartParameters(params)}`,
  }
}

function requested({ scope, resource }: Details['params'], { access, openidScopes }: Policy): Scopes {
  const wanted = words(scope)
  const audiences = [resource ?? []].flat()
  const chosen = access
    .filter(({ audience }) => audiences.includes(audience))
    .map(({ audience, scopes }) => [audience, scopes.filter((name) => wanted.includes(name))] as const)
  return {
    openid: openidScopes.filter((name) => wanted.includes(name)),
    resources: Object.fromEntries(chosen.filter(([, scopes]) => scopes.length > 0)),
  }
}

function missing({ missingOIDCScope, missingResourceScopes }: Record<string, unknown>): Scopes {
  return {
    openid: (missingOIDCScope as string[] | undefined) ?? [],
    resources: (missingResourceScopes as Record<string, string[]> | undefined) ?? {},
  }
}

function offline(client: Client, { kind }: Policy, scope: string[], { tokens, sessions }: Config) {
  if (!client.grantTypeAllowed('refresh_token')) return null
  const absolute = kind === 'native' || (kind === 'web' && scope.includes('offline_access'))
  return absolute
    ? ({ bound: 'absolute', seconds: tokens.refreshAbsoluteSeconds } as const)
    : ({ bound: 'session', seconds: Math.min(sessions.absoluteSeconds, tokens.refreshAbsoluteSeconds) } as const)
}

function restartParameters(params: Details['params']): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) if (typeof one === 'string' && name !== 'prompt') query.append(name, one)
  }
  query.set('prompt', words(params.prompt).includes('consent') ? 'login consent' : 'login')
  return query
}

function words(value: unknown): string[] {
  return typeof value === 'string' ? value.split(' ').filter(Boolean) : []
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
