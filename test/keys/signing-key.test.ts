import test from 'ava'
import { calculateJwkThumbprint, importJWK, jwtVerify, SignJWT } from 'jose'
import { generateKey, openPrivate, signingAlgs } from '../../src/keys/signing-key.ts'
import { newMasterKey, parseMasterKeys, SealError } from '../../src/lib/master-key.ts'

const masterKeys = parseMasterKeys(newMasterKey())

for (const alg of signingAlgs) {
  test(`${alg}: a new key is named by its RFC 7638 thumbprint`, async (t) => {
    const key = await generateKey(alg, masterKeys)
    t.is(key.kid, await calculateJwkThumbprint(key.publicJwk))
    t.like(key.publicJwk, { kid: key.kid, alg, use: 'sig' })
  })

  test(`${alg}: the public half holds nothing private, and nothing private is stored in the clear`, async (t) => {
    const key = await generateKey(alg, masterKeys)
    const privateJwk = openPrivate(masterKeys, key.kid, key.privateSealed)
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth', 'priv'] as const) {
      t.false(member in key.publicJwk)
      const secret = privateJwk[member]
      if (typeof secret === 'string') t.false(JSON.stringify(key).includes(secret))
    }
    t.is(typeof privateJwk.d, 'string')
  })

  test(`${alg}: what the private half signs verifies by the public half under the algorithm in the header`, async (t) => {
    const key = await generateKey(alg, masterKeys)
    const signer = await importJWK(openPrivate(masterKeys, key.kid, key.privateSealed))
    const token = await new SignJWT().setProtectedHeader({ alg, kid: key.kid }).sign(signer)
    const { protectedHeader } = await jwtVerify(token, await importJWK(key.publicJwk), { algorithms: [alg] })
    t.is(protectedHeader.alg, alg)
  })
}

test('a private half opens only under the kid that it belongs to', async (t) => {
  const [one, other] = await Promise.all([generateKey('ES256', masterKeys), generateKey('ES256', masterKeys)])
  t.throws(() => openPrivate(masterKeys, one.kid, other.privateSealed), {
    instanceOf: SealError,
    message: /another key/,
  })
})

test('a private half does not open with another master key', async (t) => {
  const { kid, privateSealed } = await generateKey('ES256', masterKeys)
  t.throws(() => openPrivate(parseMasterKeys(newMasterKey()), kid, privateSealed), { instanceOf: SealError })
})
