/** What the token endpoint was asked for and what came of it, for whoever counts. */
import type { IncomingMessage } from 'node:http'
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'

export interface GrantReport {
  /** One of the few that this server knows, in one word; `other` for what callers make up. */
  grantType: string
  /** `success`, or the code of the error as the client got it. */
  outcome: string
  clientId: string | undefined
}

/** What comes in `grant_type` → what it is called. */
const GRANT_TYPES = new Map([
  ['authorization_code', 'authorization_code'],
  ['refresh_token', 'refresh_token'],
  ['client_credentials', 'client_credentials'],
  ['urn:ietf:params:oauth:grant-type:device_code', 'device_code'],
  ['urn:ietf:params:oauth:grant-type:token-exchange', 'token_exchange'],
])
const ERROR_CODE = /^[a-z_]{1,40}$/

/** Reports every answer of the library's token endpoint, while it is being made: the listener must only take note. */
export function reportGrants(provider: Provider, report: (request: IncomingMessage, grant: GrantReport) => void): void {
  const tell = (ctx: KoaContextWithOIDC, outcome: string): void => {
    const { params, body, client } = ctx.oidc as { params?: Asked; body?: Asked; client?: { clientId: string } }
    const asked = params?.grant_type ?? body?.grant_type
    const known = typeof asked === 'string' ? GRANT_TYPES.get(asked) : undefined
    const grantType = asked === undefined ? 'none' : (known ?? 'other')
    report(ctx.req, { grantType, outcome, clientId: client?.clientId })
  }
  provider.on('grant.success', (ctx) => tell(ctx, 'success'))
  provider.on('grant.error', (ctx, { error }) => tell(ctx, ERROR_CODE.test(error) ? error : 'other'))
}

interface Asked {
  grant_type?: unknown
}
