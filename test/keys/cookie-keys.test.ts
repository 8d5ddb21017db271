/** Signatures of cookies: those of Keygrip, which signed them before, and nobody else's. */
import { createHmac } from 'node:crypto'
import test from 'ava'
import { derive, newMasterKey, parseMasterKeys, type MasterKeys } from '../../src/lib/master-key.ts'
import { createCookieKeys } from '../../src/oidc/cookie-keys.ts'

const [oldKey, newKey] = [newMasterKey(), newMasterKey()]
const old = parseMasterKeys(oldKey)
const both = parseMasterKeys(`${newKey},${oldKey}`)
const COOKIE = '__Host-session=some-value'

/** Keygrip's own form: HMAC-SHA1 in base64, with three characters replaced, under the key as a text. */
function asKeygripSigns(keys: MasterKeys, data: string): string {
  const [key] = derive(keys, 'cookies')
  const digest = createHmac('sha1', key.toString('base64url')).update(data).digest('base64')
  return digest.replace(/\//g, '_').replace(/\+/g, '-').replace(/=/g, '')
}

test('a cookie is signed as Keygrip signs it, so that nobody is signed out by the change', (t) => {
  const keys = createCookieKeys(old)
  for (let n = 0; n < 50; n += 1) t.is(keys.sign(`${COOKIE}${n}`), asKeygripSigns(old, `${COOKIE}${n}`))
})

test('the key that signed is found, also an older one; what it signed is told from what is current', (t) => {
  const keys = createCookieKeys(both)
  t.is(keys.index(COOKIE, keys.sign(COOKIE)), 0)
  t.is(keys.index(COOKIE, asKeygripSigns(old, COOKIE)), 1)
  t.true(keys.verify(COOKIE, asKeygripSigns(old, COOKIE)))
  t.is(createCookieKeys(old).index(COOKIE, keys.sign(COOKIE)), -1, 'a key that is gone')
})

test('no other signature counts: of other data, cut, longer, empty, or another text for the same bytes', (t) => {
  const keys = createCookieKeys(old)
  const right = keys.sign(COOKIE)
  const last = right.at(-1)!
  // 20 bytes are 27 characters, of which the last holds two bits that say nothing.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const sameBytes = right.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1]!
  t.deepEqual(Buffer.from(sameBytes, 'base64url'), Buffer.from(right, 'base64url'))
  for (const wrong of [
    keys.sign(`${COOKIE}x`),
    right.slice(0, -1),
    `${right}A`,
    '',
    '=',
    `${right}=`,
    'ä',
    sameBytes,
  ]) {
    t.is(keys.index(COOKIE, wrong), -1, wrong)
  }
})
