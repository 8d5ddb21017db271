import test from 'ava'
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { flattenedVerify, importJWK, type JWK } from 'jose'
import { watchForBusyLoop } from '../../src/keys/busy-loop.ts'
import { createSigner } from '../../src/keys/signer.ts'
import { generateKey, openPrivate, publicHalf, signingAlgs, type SigningAlg } from '../../src/keys/signing-key.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'

const masterKeys = parseMasterKeys(newMasterKey())

async function keyFor(alg: SigningAlg): Promise<JWK> {
  const { kid, privateSealed } = await generateKey(alg, masterKeys)
  return openPrivate(masterKeys, kid, privateSealed)
}

for (const alg of signingAlgs) {
  for (const busy of [false, true]) {
    test(`${alg}, event loop ${busy ? 'busy' : 'calm'}: another library verifies what is signed`, async (t) => {
      const jwk = await keyFor(alg)
      const sign = createSigner(jwk, () => busy)
      const header = Buffer.from(JSON.stringify({ alg })).toString('base64url')
      const payload = Buffer.from('who pays the piper').toString('base64url')
      const signed = sign(Buffer.from(`${header}.${payload}`))
      t.is(
        signed instanceof Promise,
        busy && alg === 'RS256',
        'the pool is for what takes long, while there is much to do',
      )
      const signature = (await signed).toString('base64url')
      await t.notThrowsAsync(
        flattenedVerify({ protected: header, payload, signature }, await importJWK(publicHalf(jwk))),
      )
    })
  }
}

test('an ES256 signature has all of its octets, whatever its two numbers are', async (t) => {
  const jwk = await keyFor('ES256')
  const sign = createSigner(jwk)
  const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const
  let short = 0
  for (let index = 0; index < 3_000; index += 1) {
    const data = Buffer.from(String(index))
    const signature = (await sign(data)) as Buffer
    // One in 256 of the numbers begins with a zero, which DER leaves out.
    if (signature[0] === 0 || signature[32] === 0) short += 1
    if (signature.length !== 64 || !verify('sha256', data, key, signature)) t.fail(signature.toString('hex'))
  }
  t.true(short > 0, 'with three thousand signatures some numbers are short')
})

test('a key of another kind is no signer', (t) => {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export({ format: 'jwk' })
  t.throws(() => createSigner({ ...jwk, alg: 'ES384' } as JWK), { message: /signs ES384/ })
})

test.serial('the loop is busy while it has much to do, and calm again afterwards', async (t) => {
  const isBusy = watchForBusyLoop()
  t.false(isBusy())
  for (const end = performance.now() + 300; performance.now() < end;);
  await pause(1)
  t.true(isBusy())
  t.true(isBusy(), 'until the next look it stays at that')
  await pause(1_000)
  t.false(isBusy())
})
