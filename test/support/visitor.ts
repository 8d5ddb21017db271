/**
 * A person at a browser without script: keeps cookies, follows redirects within the issuer, fills in forms. It stops where
 * the client's redirect URI begins.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { TestClient } from './registry.ts'

export interface Page {
  url: string
  status: number
  headers: Headers
  html: string
}

export interface Credentials {
  username: string
  password: string
}

export interface AuthorizationOptions {
  scope?: string
  resource?: string | string[]
  prompt?: string
  redirect_uri?: string
  /** More parameters, or ones that replace those made here; undefined takes one away. */
  parameters?: Record<string, string | undefined>
}

/** How an authorization request ended: at the client's redirect URI. */
export interface Answer {
  url: URL
  code: string | undefined
  error: string | undefined
  verifier: string
  state: string
  parameters: URLSearchParams
}

export class Visitor {
  readonly issuer: string
  /** By name, and by name and path for those that belong to one page: a tab does not take another tab's cookie. */
  readonly cookies = new Map<string, { value: string; path: string }>()
  /** Where requests are sent, in turn: instances behind one issuer. */
  readonly instances: string[]
  #turn = 0

  constructor(issuer: string, instances: string[] = [issuer]) {
    this.issuer = issuer
    this.instances = instances
  }

  /** One request, cookies in and out, no redirect followed. */
  async request(target: string, init: RequestInit = {}): Promise<Response> {
    const url = new URL(target, this.issuer)
    const instance = this.instances[this.#turn++ % this.instances.length] ?? this.issuer
    const headers = new Headers(init.headers)
    const jar = [...this.cookies].filter(
      ([, { path }]) => url.pathname === path || url.pathname.startsWith(path.replace(/\/?$/, '/')) || path === '/',
    )
    const pairs = jar.map(([key, { value }]) => `${key.split(' ')[0]}=${value}`)
    if (jar.length > 0) headers.set('cookie', pairs.join('; '))
    const response = await fetchAs(new URL(url.pathname + url.search, instance), url.host, {
      redirect: 'manual',
      ...init,
      headers,
    })
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie)
    return response
  }

  /** Follows redirects until something is shown, or until they leave the issuer. */
  async open(target: string, init: RequestInit = {}): Promise<Page> {
    let response = await this.request(target, init)
    let url = new URL(target, this.issuer)
    for (let hops = 0; hops < 12 && response.status >= 300 && response.status < 400; hops += 1) {
      url = new URL(response.headers.get('location') ?? '', url)
      if (url.origin !== this.issuer)
        return { url: url.href, status: response.status, headers: response.headers, html: '' }
      response = await this.request(url.href)
    }
    return { url: url.href, status: response.status, headers: response.headers, html: await response.text() }
  }

  /** Sends a form of a page: its hidden fields, and what the person types. */
  async submit(page: Page, action: string | RegExp, fields: Record<string, string> = {}): Promise<Page> {
    const { target, hidden } = findForm(page.html, action)
    return this.open(target, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: this.issuer },
      body: new URLSearchParams({ ...hidden, ...fields }).toString(),
    })
  }

  signIn(page: Page, { username, password }: Credentials): Promise<Page> {
    return this.submit(page, /\/login$/, { login: username, password })
  }

  allow(page: Page): Promise<Page> {
    return this.submit(page, /\/consent$/, { decision: 'allow' })
  }

  /** The authorization request of a well-behaved client. */
  request_uri(
    client: TestClient,
    options: AuthorizationOptions = {},
  ): { url: string; verifier: string; state: string } {
    const verifier = randomBytes(32).toString('base64url')
    const state = randomBytes(8).toString('base64url')
    const query = new URLSearchParams()
    const parameters: Record<string, string | undefined> = {
      client_id: client.client_id,
      redirect_uri: options.redirect_uri ?? client.redirect_uri,
      response_type: 'code',
      scope: options.scope ?? 'openid',
      state,
      prompt: options.prompt,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...options.parameters,
    }
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.append(name, value)
    for (const resource of [options.resource ?? []].flat()) query.append('resource', resource)
    return { url: `/authorize?${query}`, verifier, state }
  }

  /** Goes all the way: signs in and consents as far as asked. */
  async authorize(client: TestClient, person: Credentials, options: AuthorizationOptions = {}): Promise<Answer> {
    const { url, verifier, state } = this.request_uri(client, options)
    let page = await this.open(url)
    if (page.html.includes('name="password"')) page = await this.signIn(page, person)
    if (page.html.includes('value="allow"')) page = await this.allow(page)
    const end = new URL(page.url)
    if (end.origin === this.issuer) throw new Error(`stopped at ${page.status} ${page.url}: ${textOf(page.html)}`)
    const parameters = end.searchParams
    const [code, error] = ['code', 'error'].map((name) => parameters.get(name) ?? undefined)
    return { url: end, code, error, verifier, state, parameters }
  }

  #keep(header: string): void {
    const [pair = '', ...attributes] = header.split(';').map((part) => part.trim())
    const at = pair.indexOf('=')
    const name = pair.slice(0, at)
    const value = pair.slice(at + 1)
    const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice(5) ?? '/'
    const gone = value === '' || attributes.some((attribute) => /^expires=thu, 01 jan 1970/i.test(attribute))
    const key = path === '/' ? name : `${name} ${path}`
    if (gone) this.cookies.delete(key)
    else this.cookies.set(key, { value, path })
  }
}

export interface TokenResponse {
  status: number
  headers: Headers
  body: Record<string, unknown> & {
    access_token?: string
    refresh_token?: string
    id_token?: string
    scope?: string
    error?: string
    error_description?: string
  }
}

/** Posts to the token endpoint as this client does: with its secret, or with its id alone. */
export async function token(
  issuer: string,
  { client_id, client_secret }: Pick<TestClient, 'client_id' | 'client_secret'>,
  parameters: Record<string, string | string[] | undefined>,
  instance = issuer,
): Promise<TokenResponse> {
  const body = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) for (const one of [value ?? []].flat()) body.append(name, one)
  const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
  if (client_secret) headers.authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`
  else body.set('client_id', client_id)
  const response = await fetchAs(new URL('/token', instance), new URL(issuer).host, {
    method: 'POST',
    headers,
    body: body.toString(),
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as TokenResponse['body'] }
}

export function redeem(issuer: string, client: TestClient, answer: Answer, instance = issuer): Promise<TokenResponse> {
  const redirect_uri = answer.url.origin === 'null' ? client.redirect_uri : answer.url.href.split('?')[0]
  return token(
    issuer,
    client,
    { grant_type: 'authorization_code', code: answer.code, redirect_uri, code_verifier: answer.verifier },
    instance,
  )
}

export function refresh(
  issuer: string,
  client: TestClient,
  refresh_token: string | undefined,
  more: Record<string, string> = {},
  instance = issuer,
) {
  return token(issuer, client, { grant_type: 'refresh_token', refresh_token, ...more }, instance)
}

/** fetch can't set Host, and an instance answers only for its issuer's: send it as the balancer in front would. */
async function fetchAs(url: URL, host: string, init: RequestInit): Promise<Response> {
  if (url.host === host) return fetch(url, init)
  const { request } = await import('node:http')
  return new Promise((resolve, reject) => {
    const headers = Object.fromEntries(new Headers(init.headers))
    const body = typeof init.body === 'string' ? init.body : ''
    if (body) headers['content-length'] = String(Buffer.byteLength(body))
    const req = request(url, { method: init.method ?? 'GET', headers: { ...headers, host } }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('end', () => {
        const answer = new Headers()
        for (const [name, value] of Object.entries(res.headers))
          for (const one of [value ?? []].flat()) answer.append(name, one)
        const status = res.statusCode ?? 500
        resolve(new Response([204, 304].includes(status) ? null : Buffer.concat(chunks), { status, headers: answer }))
      })
      res.on('error', reject)
    })
    req.on('error', reject)
    req.end(body)
  })
}

function findForm(html: string, action: string | RegExp): { target: string; hidden: Record<string, string> } {
  for (const [form, attributes = ''] of html.matchAll(/<form([^>]*)>[\s\S]*?<\/form>/g)) {
    const targets = [
      attribute(attributes, 'action'),
      ...[...form.matchAll(/formaction="([^"]*)"/g)].map(([, value]) => value),
    ]
    const target = targets.find(
      (one) => one !== undefined && (typeof action === 'string' ? one === action : action.test(one)),
    )
    if (target === undefined) continue
    const inputs = [...form.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => input)
    const hidden = inputs.map((input) => [attribute(input, 'name') ?? '', decode(attribute(input, 'value') ?? '')])
    return { target: decode(target), hidden: Object.fromEntries(hidden) as Record<string, string> }
  }
  throw new Error(`no form leads to ${String(action)}: ${textOf(html)}`)
}

function attribute(tag: string, name: string): string | undefined {
  return new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1]
}

function decode(text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#x27': "'" }
  return text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name: string) => named[name] ?? '')
}

export function textOf(html: string): string {
  return html
    .replace(/<style[\s\S]*?<\/style>|<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 400)
}
