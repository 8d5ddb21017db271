/**
 * Who is calling, and under which name. Only the issuer's host exists: whatever the library builds from a request is built
 * from ISSUER, because everything else is taken out of the request or refused here, before anybody reads it.
 */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { Context, Middleware } from 'koa'
import { isBelow } from './problem.ts'
import { refusal } from './under.ts'

/** Proxies whose X-Forwarded-* count: a number of hops, or networks in CIDR form. */
export type TrustProxy = { readonly hops: number } | { readonly networks: readonly string[] }

export interface ForwardedOptions {
  /** The one origin that this process answers for. */
  origin: string
  trustProxy: TrustProxy | undefined
  /** Where refusals are thrown, for an API's own renderer of problems: `/api`. */
  api?: string
}

/**
 * Refuses other hosts with 421 (RFC 9110 §15.5.20) and requests that name several with 400, and rewrites the headers that
 * name client, host and protocol to what is known to be true. Without TRUST_PROXY nobody's word counts but the socket's.
 */
export function forwarded({ origin, trustProxy, api }: ForwardedOptions): Middleware {
  const expected = new URL(origin)
  const trusted = trustProxy && 'networks' in trustProxy ? blockList(trustProxy.networks) : undefined

  function refuse(ctx: Context, status: 400 | 421, why: string): undefined {
    if (api !== undefined && isBelow(api, ctx.path)) throw refusal(status, why)
    ctx.status = status
    ctx.type = 'text'
    ctx.body = `${why}\n`
    return undefined
  }

  return (ctx, next) => {
    const { req } = ctx
    const chain = addressChain(req)
    const address = clientAddress(chain, trustProxy, trusted)
    const peerIsProxy = trusted ? contains(trusted, chain.at(-1)) : trustProxy !== undefined
    const target = targetOf(req.url ?? '')
    if (!target || countHosts(req) > 1) return refuse(ctx, 400, 'The request does not say clearly whom it is for')
    const host = (peerIsProxy && single(req.headers['x-forwarded-host'])) || req.headers.host
    if (!isHost(host, expected) || (target.authority !== undefined && !isHost(target.authority, expected))) {
      return refuse(ctx, 421, `This server answers only as ${origin}`)
    }
    // From here on every target is a path: what reads `originalUrl` would take the host out of a whole URL.
    req.url = ctx.originalUrl = ctx.request.originalUrl = target.path || '/'
    // Not deleted: an object that something was deleted from is slow for all who read it.
    for (const name of OF_PROXIES) if (req.headers[name] !== undefined) req.headers[name] = undefined
    req.headers.host = expected.host
    req.headers['x-forwarded-proto'] = expected.protocol.slice(0, -1)
    req.headers['x-forwarded-for'] = address
    ctx.request.ip = address
    return next()
  }
}

/** The same judgement of a request that does not pass the middleware: the handshake of a socket. */
export function createHandshakeReader({ origin, trustProxy }: Pick<ForwardedOptions, 'origin' | 'trustProxy'>): {
  addressOf: (req: IncomingMessage) => string
  /** Whether the request names the one host of this server, and no other. */
  isForUs: (req: IncomingMessage) => boolean
} {
  const expected = new URL(origin)
  const trusted = trustProxy && 'networks' in trustProxy ? blockList(trustProxy.networks) : undefined
  return {
    addressOf: (req) => clientAddress(addressChain(req), trustProxy, trusted),
    isForUs(req) {
      const peerIsProxy = trusted ? contains(trusted, addressChain(req).at(-1)) : trustProxy !== undefined
      const host = (peerIsProxy && single(req.headers['x-forwarded-host'])) || req.headers.host
      return countHosts(req) === 1 && isHost(host, expected)
    },
  }
}

/** What the rest of the server shall not read: everything in them is known by then, or not to be trusted. */
const OF_PROXIES = ['forwarded', 'x-forwarded-host'] as const

interface Target {
  authority?: string | undefined
  path?: string | undefined
}

/** A path, or the whole URL as clients send it to a proxy (RFC 9112 §3.2.2), whose authority then counts before Host. */
function targetOf(url: string): Target | undefined {
  return url.startsWith('/') ? { path: url } : TARGET.exec(url)?.groups
}
const TARGET = /^(?:https?:\/\/(?<authority>[^/?#]*))?(?<path>(?:\/.*)?)$/is

/** RFC 9112 §3.2: with two of them, the servers on the way may each believe another. */
function countHosts({ rawHeaders }: IncomingMessage): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1
  }
  return count
}

/** X-Forwarded-For from left to right, then the peer of the socket. */
function addressChain(req: IncomingMessage): string[] {
  const named = [req.headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
  return [...named, req.socket.remoteAddress ?? ''].map(bare).filter((entry) => entry !== '')
}

function clientAddress(chain: string[], trust: TrustProxy | undefined, trusted: BlockList | undefined): string {
  let index = chain.length - 1
  if (trust && 'hops' in trust) index = Math.max(0, index - trust.hops)
  while (trusted && index > 0 && contains(trusted, chain[index])) index -= 1
  const address = chain[index] ?? ''
  // Behind a trusted proxy the entry is that proxy's word; junk in it falls back to the socket.
  return isIP(address) ? address : (chain.at(-1) ?? '')
}

/** Without port, brackets and the IPv4-in-IPv6 prefix: `[2001:db8::1]:443` → `2001:db8::1`. */
function bare(entry: string): string {
  const text = entry.trim()
  if (!text.includes(':')) return text
  const host = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return host.replace(/^::ffff:(?=[\d.]+$)/i, '')
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    list.addSubnet(address, bits === undefined ? (family === 'ipv4' ? 32 : 128) : Number(bits), family)
  }
  return list
}

function contains(list: BlockList, address: string | undefined): boolean {
  const family = isIP(address ?? '')
  return address !== undefined && family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && header !== '' && !header.includes(',') ? header : undefined
}

function isHost(host: string | undefined, expected: URL): boolean {
  if (host === expected.host) return true
  if (!host || !/^[\w.:[\]-]+$/.test(host)) return false
  return URL.parse(`${expected.protocol}//${host}`)?.host === expected.host
}
