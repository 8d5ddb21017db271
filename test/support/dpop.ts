/** Proofs of possession (RFC 9449 §4.2) made by hand, good or bad in any way, and requests that carry them. */
import { createHash, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'

export interface ProofKey {
  alg: string
  privateKey: CryptoKey
  publicKey: CryptoKey
  jwk: JWK
  /** RFC 7638; what `cnf.jkt` and `dpop_jkt` say. */
  thumbprint: string
}

export async function newProofKey(alg = 'ES256'): Promise<ProofKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  return { alg, privateKey, publicKey, jwk, thumbprint: await calculateJwkThumbprint(jwk) }
}

export interface ProofOptions {
  htm?: string
  htu: string
  /** Of the access token that goes with it. */
  token?: string | undefined
  nonce?: string | undefined
  /** In seconds, from now. */
  dated?: number
  /** What replaces or adds; undefined takes away. */
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
}

/** A proof as it should be, but for what is given. */
export async function proofOf(key: ProofKey, options: ProofOptions): Promise<string> {
  const { htm = 'POST', htu, token, nonce, dated = 0, claims, header } = options
  const payload: Record<string, unknown> = {
    jti: randomUUID(),
    htm,
    htu,
    iat: Math.floor(Date.now() / 1000) + dated,
    ...(token !== undefined && { ath: athOf(token) }),
    nonce,
    ...claims,
  }
  return new SignJWT(JSON.parse(JSON.stringify(payload)) as Record<string, unknown>)
    .setProtectedHeader({ alg: key.alg, typ: 'dpop+jwt', jwk: key.jwk, ...header } as { alg: string })
    .sign(key.privateKey)
}

export function athOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** A token that is signed by nothing, or with anything: what no library would make. */
export function handmade(header: object, claims: object, signature = ''): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

export interface Sent {
  status: number
  headers: Headers
  body: Record<string, unknown> & { access_token?: string; refresh_token?: string; error?: string }
}

/** One request with these headers and no others, several of one name too, and with any Host. */
export async function send(
  url: string,
  { method = 'GET', headers = [], body = '' }: { method?: string; headers?: [string, string][]; body?: string },
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const names = headers.map(([name]) => name.toLowerCase())
    const given = names.includes('host') ? headers : [['Host', new URL(url).host], ...headers]
    const sized = body === '' ? given : [...given, ['Content-Length', String(Buffer.byteLength(body))]]
    const outgoing = request(url, { method, headers: sized.flat(), agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const raw = response.rawHeaders
        const pairs = raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as [string, string]] : []))
        const text = Buffer.concat(chunks).toString()
        let read: Sent['body'] = {}
        try {
          read = JSON.parse(text) as Sent['body']
        } catch {
          // no JSON, nothing to read
        }
        resolve({ status: response.statusCode ?? 0, headers: new Headers(pairs), body: read })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
