import { createHash } from 'node:crypto'
import type { KoaContextWithOIDC } from 'oidc-provider'

/**
 * What a refresh asked for, as 32 bytes. Two requests count as duplicates only when client, scope, resource and sender
 * constraint agree; anything else inside the window is refused and leaves the first answer alone.
 */
export function requestDigest(ctx: KoaContextWithOIDC): Buffer {
  const { params, client } = ctx.oidc
  const facts = [
    client?.clientId ?? null,
    words(params?.scope),
    words(params?.resource),
    typeof params?.authorization_details === 'string' ? params.authorization_details : null,
    proofKey(ctx.get('dpop')),
  ]
  return createHash('sha256').update(JSON.stringify(facts)).digest()
}

function words(value: unknown): string[] | null {
  if (value === undefined) return null
  const list = [value].flat().filter((entry) => typeof entry === 'string')
  return [...new Set(list.flatMap((entry) => entry.split(' ')))].sort()
}

/** The public key in a DPoP proof's header; the proof itself differs each time and was verified by the library. */
function proofKey(proof: string): string | null {
  if (!proof) return null
  try {
    const header: unknown = JSON.parse(Buffer.from(proof.split('.')[0] ?? '', 'base64url').toString())
    const jwk = (header as { jwk?: Record<string, unknown> }).jwk ?? {}
    // What makes the key, in a fixed order (RFC 7638 §3): a `kid` or another order of members is the same key.
    return JSON.stringify([jwk.kty, jwk.crv, jwk.x, jwk.y, jwk.n, jwk.e])
  } catch {
    return null
  }
}
