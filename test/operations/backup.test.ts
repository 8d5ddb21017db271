/** A backup that is made while people use the server, restored on another one, and what has to be done about time that was lost. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { startEmbedded } from '../../src/database/embedded.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createApiKey } from '../../src/registry/api-keys/create.ts'
import { revokeApiKey } from '../../src/registry/api-keys/revoke.ts'
import { signOutEveryone } from '../../src/registry/users/sign-out.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { tell } from '../rig/rig.ts'
import { startAuthServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { API, buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, Visitor, type TokenResponse } from '../support/visitor.ts'
import { BACKUP_SETTINGS, backUp } from './online-backup.ts'

const log = createLogger({ level: 'silent' })

async function startDatabase(t: Teardown, directory: string) {
  const database = await startEmbedded({ directory, log, settings: BACKUP_SETTINGS })
  t.teardown(() => database.release())
  return database
}

test('a restored backup has what was acknowledged before it, and what was revoked stays revoked', async (t) => {
  t.timeout(120_000)
  const folder = mkdtempSync(join(tmpdir(), 'backup-'))
  chmodSync(folder, 0o711)
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const [original, backup] = [join(folder, 'original'), join(folder, 'backup')]
  const port = String(await freePort())
  const shared = { PORT: port, ISSUER: `http://localhost:${port}`, MASTER_KEY: newMasterKey() }
  const issuer = shared.ISSUER

  const first = await startDatabase(t, original)
  const server = await startAuthServer(t, { ...shared, DATABASE_URL: first.url })
  await buildResource(server.db)
  const [client, person] = [await buildClient(server.db, { kind: 'native' }), await buildUser(server.db)]
  const visitor = new Visitor(issuer)
  const signIn = async (browser = visitor): Promise<TokenResponse['body']> => {
    const answer = await browser.authorize(client, person, { scope: 'openid offline_access', resource: API })
    return (await redeem(issuer, client, answer)).body
  }
  const [busy, idle, revoked] = [await signIn(), await signIn(), await signIn()]
  await tell({ issuer }, issuer, 'revoke', client, revoked.refresh_token)
  const makeKey = (name: string) => createApiKey(server.db.knex, { name, scopes: ['users:read'], actor: 'test' })
  const [liveKey, deadKey] = [await makeKey('Live'), await makeKey('Dead')]
  await revokeApiKey(server.db.knex, { apiKeyId: deadKey.apiKey.id, actor: 'test' })
  const keys = await (await fetch(`${issuer}/jwks`)).text()

  // The backup is made while a family rotates without pause.
  mkdirSync(backup, { mode: 0o700 })
  let isBackingUp = true
  const acknowledged: TokenResponse['body'][] = [busy]
  const rotating = (async () => {
    while (isBackingUp) acknowledged.push((await refresh(issuer, client, acknowledged.at(-1)!.refresh_token)).body)
  })()
  const begun = acknowledged.length
  let ended = 0
  await backUp(first.url, original, backup, () => (ended = acknowledged.length))
  isBackingUp = false
  await rotating
  t.true(ended > begun, 'the family rotated meanwhile')

  // What happens now is lost: a token is used, another person's browser signs in.
  t.is((await refresh(issuer, client, idle.refresh_token)).status, 200)
  const lost = await signIn(new Visitor(issuer))
  await server.close()
  await first.release()

  const second = await startDatabase(t, backup)
  const restored = await startAuthServer(t, { ...shared, DATABASE_URL: second.url })
  t.is(await (await fetch(`${issuer}/jwks`)).text(), keys, 'the same signing keys')
  t.is((await tell({ issuer }, issuer, 'introspect', client, busy.access_token)).active, true)
  const ask = (key: string) => fetch(`${issuer}/api/v1/users`, { headers: { authorization: `Bearer ${key}` } })
  t.is((await ask(liveKey.value)).status, 200)
  t.is((await ask(deadKey.value)).status, 401)
  for (const value of [revoked.refresh_token, lost.refresh_token]) {
    t.is((await refresh(issuer, client, value)).body.error, 'invalid_grant')
  }
  // One row for each token that was acknowledged before the end, and one for the family that rested.
  const { rows } = await restored.db.pool.query<{ count: number }>('select count(*)::int from refresh_tokens')
  t.true(rows[0]!.count >= ended + 1, `${rows[0]!.count} of ${ended} acknowledged`)

  // The clock went back: a token that was used is unused again. Only signing everybody out ends what the lost time had ended.
  t.is((await refresh(issuer, client, idle.refresh_token)).status, 200)
  await signOutEveryone(restored.db.knex, { actor: 'test' })
  for (const { refresh_token } of [idle, acknowledged[ended - 1]!, acknowledged.at(-1)!]) {
    t.is((await refresh(issuer, client, refresh_token)).body.error, 'invalid_grant')
  }
  t.is((await tell({ issuer }, issuer, 'introspect', client, busy.access_token)).active, false)
  const again = await signIn(new Visitor(issuer))
  t.is((await refresh(issuer, client, again.refresh_token)).status, 200, 'and people sign in again')
})
