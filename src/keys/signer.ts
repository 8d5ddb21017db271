import { createPrivateKey, sign, webcrypto, type JsonWebKeyInput, type KeyObject } from 'node:crypto'
import type { JWK } from 'jose'
import { watchForBusyLoop } from './busy-loop.ts'

/** @returns the JWS signature (RFC 7515 §5.1) of these octets, as the `alg` of the key has it */
export type Signer = (data: Uint8Array) => Buffer | Promise<Buffer>

const RS256 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
const isLoopBusy = watchForBusyLoop()

/**
 * Signs where it costs least. The way to a thread of the pool and back wakes two threads, at 100 to 150 µs of CPU, and is
 * waited for twice where others want the processors too. ES256 and Ed25519 take 25 to 40 µs, so they never go there. RS256
 * takes 250: a thread is worth its while once the event loop has enough to do, and only then.
 * @param jwk a private key with `alg`
 * @param isBusy whether the event loop is; asked before each RS256 signature
 */
export function createSigner(jwk: JWK, isBusy: () => boolean = isLoopBusy): Signer {
  const key = createPrivateKey({ key: jwk, format: 'jwk' } as JsonWebKeyInput)
  switch (jwk.alg) {
    case 'RS256': {
      const signInPool = createPoolSigner(key)
      return (data) => (isBusy() ? signInPool(data) : sign('sha256', data, key))
    }
    case 'ES256':
      return (data) => concatenated(sign('sha256', data, key))
    case 'Ed25519':
      return (data) => sign(null, data, key)
    default:
      throw new TypeError(`nothing here signs ${jwk.alg}`)
  }
}

/** By WebCrypto: what `sign` calls back lives on until the next large collection, and the whole request with it. */
function createPoolSigner(key: KeyObject): Signer {
  const imported = key.toCryptoKey(RS256, false, ['sign'])
  return async (data) => Buffer.from(await webcrypto.subtle.sign(RS256.name, imported, data as Uint8Array<ArrayBuffer>))
}

/** Of a number of P-256. */
const OCTETS = 32

/**
 * An ECDSA signature as JWS has it, R and S one after the other, each with all of its octets (RFC 7518 §3.4), of what OpenSSL
 * makes: a DER sequence of two integers, `30 len 02 len R 02 len S` (X.690 §8.3, §8.9). Node converts as well
 * (`ieee-p1363`), but takes as long for it as for the signature.
 */
function concatenated(der: Buffer): Buffer {
  const endOfR = 4 + der[3]!
  const signature = Buffer.alloc(2 * OCTETS)
  place(der.subarray(4, endOfR), signature.subarray(0, OCTETS))
  place(der.subarray(endOfR + 2), signature.subarray(OCTETS))
  return signature
}

/** DER leaves leading zeros out, and adds one to what would look negative without. */
function place(integer: Buffer, into: Buffer): void {
  const magnitude = integer.subarray(Math.max(0, integer.length - OCTETS))
  into.set(magnitude, OCTETS - magnitude.length)
}
