/**
 * Signs the library's cookies as Keygrip does (HMAC-SHA1, base64url; what it signed stays good), which Koa takes in its place.
 * Keygrip compares two signatures by two more HMACs under a random key, for each cookie of each request of a sign-in: half a
 * millisecond for a person who signs in. Bytes of equal length can be compared in constant time as they are.
 */
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { derive, type MasterKeys } from '../lib/master-key.ts'

export interface CookieKeys {
  /** With the first key. */
  sign(data: string): string
  verify(data: string, signature: string): boolean
  /** Of the key that made the signature; -1: none did. What an older key signed is signed anew. */
  index(data: string, signature: string): number
}

export function createCookieKeys(masterKeys: MasterKeys): CookieKeys {
  // Key objects, which HMACs take without making one of bytes each time.
  const keys = derive(masterKeys, 'cookies').map((key) => createSecretKey(key.toString('base64url'), 'utf8'))
  const digest = (key: KeyObject, data: string) => createHmac('sha1', key).update(data).digest()

  function index(data: string, signature: string): number {
    const given = Buffer.from(signature, 'base64url')
    // base64url has several texts for some bytes: only the one that was given out counts.
    if (given.toString('base64url') !== signature) return -1
    return keys.findIndex((key) => {
      const expected = digest(key, data)
      return given.length === expected.length && timingSafeEqual(given, expected)
    })
  }

  return {
    sign: (data) => digest(keys[0]!, data).toString('base64url'),
    verify: (data, signature) => index(data, signature) !== -1,
    index,
  }
}
