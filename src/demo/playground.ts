/** Serves the playground page: a handful of files, read once, and what they need to know. */
import { Router } from '@koa/router'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Context } from 'koa'
import { contentSecurityPolicy } from '../http/security-headers.ts'

export interface Playground {
  issuer: string
  clientId: string | undefined
  /** This API's resource identifier, and the origin of the page. */
  url: string
  /** Whether webhooks are taken: without them there is nothing to follow. */
  hasEvents: boolean
}

interface Asset {
  body: Buffer
  type: string
  etag: string
}

const DIRECTORY = join(import.meta.dirname, 'playground')
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** `/` and `/callback` are the page; its parts and its configuration stand under `/playground`. */
export function playgroundRoutes({ issuer, clientId, url, hasEvents }: Playground): Router {
  const router = new Router()
  const assets = new Map(readdirSync(DIRECTORY).map((name) => [name, readAsset(name)]))
  const page = assets.get('index.html')!
  const sendPage = (ctx: Context) => {
    ctx.set(pageHeaders(issuer))
    send(ctx, page)
  }

  router.get('/', sendPage)
  router.get('/callback', sendPage)
  router.get('/playground/config.json', (ctx) => {
    ctx.body = { issuer, client_id: clientId ?? null, resource: url, api: `${url}/api/v2`, events: hasEvents }
  })
  for (const [name, asset] of assets) {
    if (asset !== page) router.get(`/playground/${name}`, (ctx) => send(ctx, asset))
  }
  return router
}

/** The page runs its own files only and talks to this API and the issuer only: what is injected gets nowhere with a token. */
function pageHeaders(issuer: string): Record<string, string> {
  return {
    'content-security-policy': contentSecurityPolicy({
      'script-src': [`'self'`],
      'style-src': [`'self'`],
      'img-src': [`'self'`],
      'connect-src': [`'self'`, issuer],
      'form-action': [`'none'`],
      'require-trusted-types-for': [`'script'`],
    }),
    'cross-origin-opener-policy': 'same-origin',
  }
}

function readAsset(name: string): Asset {
  const body = readFileSync(join(DIRECTORY, name))
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  return { body, etag, type: TYPES[extname(name)] ?? 'application/octet-stream' }
}

function send(ctx: Context, { body, type, etag }: Asset): void {
  ctx.set({ 'content-type': type, 'cache-control': 'no-cache', etag })
  if (ctx.get('if-none-match') === etag) ctx.status = 304
  else ctx.body = body
}
