/** The official MCP client, as an assistant would use it, with a person at a browser who signs it in. */
import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from '@modelcontextprotocol/client'
import { Visitor, type Credentials } from './visitor.ts'

/** What the client keeps. It knows nothing of the server before it meets it. */
export class Memory implements OAuthClientProvider {
  readonly redirectUrl: string
  readonly clientMetadata: OAuthClientMetadata
  readonly clientMetadataUrl?: string
  information: StoredOAuthClientInformation | undefined
  kept: StoredOAuthTokens | undefined
  /** Where the client sent the person, and has not come back from. */
  pending: URL | undefined
  /** All scopes that were asked for, in turn. */
  readonly asked: string[] = []
  #verifier = ''
  #discovery: OAuthDiscoveryState | undefined

  constructor(redirectUrl: string, clientMetadataUrl?: string) {
    this.redirectUrl = redirectUrl
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl
    this.clientMetadata = {
      client_name: 'Assistant',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    }
  }

  clientInformation = () => this.information
  saveClientInformation = (information: StoredOAuthClientInformation) => void (this.information = information)
  tokens = () => this.kept
  saveTokens = (tokens: StoredOAuthTokens) => void (this.kept = tokens)
  saveCodeVerifier = (verifier: string) => void (this.#verifier = verifier)
  codeVerifier = () => this.#verifier
  saveDiscoveryState = (state: OAuthDiscoveryState) => void (this.#discovery = state)
  discoveryState = () => this.#discovery
  redirectToAuthorization(url: URL): void {
    this.pending = url
    this.asked.push(url.searchParams.get('scope') ?? '')
  }
}

export interface Assistant {
  client: Client
  memory: Memory
  /** Connects; the person signs in and consents as far as asked. */
  connect(): Promise<void>
  /** Calls a tool; the person allows more when that is needed. @returns what the tool told */
  call(name: string, input?: Record<string, unknown>): Promise<Record<string, unknown>>
}

export function createAssistant(
  server: string,
  { issuer, person, memory, browse = byForms }: AssistantOptions,
): Assistant {
  const visitor = new Visitor(issuer)
  const client = new Client({ name: 'test-assistant', version: '1.0.0' })
  const newTransport = () => new StreamableHTTPClientTransport(new URL(server), { authProvider: memory })
  let transport = newTransport()

  async function answerPending(): Promise<void> {
    const { pending } = memory
    if (!pending) throw new Error('the client sends nobody to sign in')
    memory.pending = undefined
    await transport.finishAuth(await browse(pending, visitor, person))
  }

  return {
    client,
    memory,
    async connect() {
      try {
        await client.connect(transport)
      } catch (error) {
        if (!(error instanceof UnauthorizedError)) throw error
        await answerPending()
        transport = newTransport()
        await client.connect(transport)
      }
    },
    async call(name, input = {}) {
      const request = { name, arguments: input }
      const result = await client.callTool(request).catch(async (error: unknown) => {
        if (!(error instanceof UnauthorizedError)) throw error
        await answerPending()
        return client.callTool(request)
      })
      return result.structuredContent as Record<string, unknown>
    },
  }
}

interface AssistantOptions {
  issuer: string
  person: Credentials
  memory: Memory
  /** Takes the person from where the client sent them to where they come back. @returns the parameters there */
  browse?: (url: URL, visitor: Visitor, person: Credentials) => Promise<URLSearchParams>
}

async function byForms(url: URL, visitor: Visitor, person: Credentials): Promise<URLSearchParams> {
  let page = await visitor.open(url.href)
  if (page.html.includes('name="password"')) page = await visitor.signIn(page, person)
  if (page.html.includes('value="allow"')) page = await visitor.allow(page)
  const end = new URL(page.url)
  if (end.origin === visitor.issuer) throw new Error(`stopped at ${page.status}: ${page.html.slice(0, 2000)}`)
  return end.searchParams
}
