/**
 * What an API says of itself, for anybody: its OpenAPI documents, the reference page made of them, and the pages to which the
 * types of problems lead. All of it is made once; each answer has an ETag.
 *
 *   <base>/openapi.json      the versions that are there
 *   <base>/v1/openapi.json   one version
 *   <base>/docs              the reference page
 *   <problems path>          the problems
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Context, Middleware } from 'koa'
import { languageOf } from '../language.ts'
import type { ProblemCatalogue } from '../problem.ts'
import { contentSecurityPolicy } from '../security-headers.ts'
import { compression } from './compression.ts'
import { openApiDocument, type OpenApiOptions } from './openapi.ts'
import { referencePage } from './reference/page.ts'
import { problemsPage } from './reference/problems-page.ts'

/** How the reference page gets an access token: as a public client that is registered with its address to return to. */
export interface SignIn {
  issuer: string
  clientId: string
  /** `<origin><base>/docs/callback` */
  redirectUri: string
  /** The audience of the tokens. */
  resource: string
  /** What it asks for; the person's roles bound what it gets. */
  scopes: readonly string[]
}

export interface DocumentsOptions extends OpenApiOptions {
  catalogue: ProblemCatalogue
  /** Asked each time, because clients come and go. Left out, or undefined: the page offers API keys only. */
  signIn?: () => Promise<SignIn | undefined>
  /** The issuer that `signIn` will name; the page may talk to it. Its own origin unless given. */
  issuer?: string
}

interface Served {
  body: string | Buffer
  type: string
  etag: string
  headers?: Readonly<Record<string, string>>
}

const ASSETS = join(import.meta.dirname, 'reference', 'assets')
const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

/** Where these stand; the API must leave them alone. */
export function documentPaths(base: string, typeBase: string) {
  const docs = `${base}/docs`
  return {
    document: `${base}/openapi.json`,
    docs,
    callback: `${docs}/callback`,
    signIn: `${docs}/sign-in.json`,
    assets: `${docs}/assets`,
    problems: new URL(typeBase).pathname,
  }
}

/** Serves them; stands before the API. Everything else passes. */
export function apiDocuments(options: DocumentsOptions): Middleware {
  const paths = documentPaths(options.base, options.typeBase)
  const files = once(() => servedFiles(options))
  const compress = compression()
  return async (ctx, next) => {
    if (ctx.path === paths.signIn && options.signIn) return answerSignIn(ctx, options.signIn)
    if (!mayBeServed(ctx.path, paths, options)) return next()
    if (ctx.path === paths.problems) ctx.vary('Accept-Language')
    const key = ctx.path === paths.problems ? `${ctx.path} ${languageOf(ctx.get('accept-language'))}` : ctx.path
    const found = files().get(key)
    if (!found) return next()
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') return refuseMethod(ctx)
    return compress(ctx, () => Promise.resolve(send(ctx, found)))
  }
}

/** So that nothing is made before somebody asks for it. */
function mayBeServed(
  path: string,
  { problems, docs }: ReturnType<typeof documentPaths>,
  { base }: DocumentsOptions,
): boolean {
  return (
    path === problems ||
    path === docs ||
    path.startsWith(`${docs}/`) ||
    (path.startsWith(base) && path.endsWith('/openapi.json'))
  )
}

function servedFiles(options: DocumentsOptions): Map<string, Served> {
  const { base, versions, title, catalogue, typeBase, origin, signIn, issuer = origin } = options
  const paths = documentPaths(base, typeBase)
  const document = openApiDocument(options)
  const page = referencePage({
    document,
    assets: paths.assets,
    documentUrl: paths.document,
    problems: paths.problems,
    ...(signIn && { signIn: paths.signIn }),
  })
  const docs = served(page, 'text/html', pagePolicy(issuer))
  const files = new Map<string, Served>([
    [paths.document, servedDocument(document)],
    [paths.docs, docs],
    [paths.callback, docs],
  ])
  for (const version of versions.filter(({ removed }) => !removed)) {
    files.set(
      `${base}/v${version.number}/openapi.json`,
      servedDocument(openApiDocument({ ...options, versions: [version] })),
    )
  }
  for (const language of ['en', 'de'] as const) {
    const text = problemsPage({ catalogue, title, language, assets: paths.assets, reference: paths.docs })
    files.set(
      `${paths.problems} ${language}`,
      served(text, 'text/html', { ...pagePolicy(), 'content-language': language }),
    )
  }
  for (const name of readdirSync(ASSETS)) {
    files.set(`${paths.assets}/${name}`, served(readFileSync(join(ASSETS, name)), TYPES[extname(name)] ?? 'text/plain'))
  }
  return files
}

/** Anybody's tool may read the description, wherever it runs: it is public and the same for everyone. */
function servedDocument(document: object): Served {
  return served(JSON.stringify(document), 'application/json', { 'access-control-allow-origin': '*' })
}

/** The page runs our files only and talks to this server and the issuer only: what is injected gets nowhere with a token. */
function pagePolicy(issuer?: string): Record<string, string> {
  return {
    'content-security-policy': contentSecurityPolicy({
      'script-src': [`'self'`],
      'style-src': [`'self'`],
      'img-src': [`'self'`],
      'connect-src': [`'self'`, ...(issuer ? [new URL(issuer).origin] : [])],
      'form-action': [`'none'`],
      'require-trusted-types-for': [`'script'`],
    }),
    'cross-origin-opener-policy': 'same-origin',
  }
}

function served(body: string | Buffer, type: string, headers: Record<string, string> = {}): Served {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  return { body, etag, type: type.startsWith('image/') ? type : `${type}; charset=utf-8`, headers }
}

function send(ctx: Context, { body, type, etag, headers = {} }: Served): undefined {
  ctx.set({ ...headers, 'content-type': type, 'cache-control': 'no-cache', etag })
  if (isKnown(ctx.get('if-none-match'), etag)) ctx.status = 304
  else ctx.body = body
  return undefined
}

/** Weak comparison (RFC 9110 §13.1.2), whatever the coding: what is compressed has the coding in its tag. */
function isKnown(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(',').some(
    (tag) =>
      tag.trim() === '*' ||
      tag
        .trim()
        .replace(/^W\//, '')
        .replace(/-(?:gzip|br|zstd)"$/, '"') === etag,
  )
}

async function answerSignIn(ctx: Context, signIn: () => Promise<SignIn | undefined>): Promise<undefined> {
  if (ctx.method !== 'GET' && ctx.method !== 'HEAD') return refuseMethod(ctx)
  const found = await signIn()
  ctx.set('cache-control', 'no-store')
  ctx.body = found
    ? {
        issuer: found.issuer,
        client_id: found.clientId,
        redirect_uri: found.redirectUri,
        resource: found.resource,
        scopes: found.scopes,
      }
    : {}
  return undefined
}

/** RFC 9110 §15.5.6; the renderer of problems gives it its body. */
function refuseMethod(ctx: Context): undefined {
  ctx.set('allow', 'GET, HEAD')
  ctx.status = ctx.method === 'OPTIONS' ? 204 : 405
  return undefined
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
