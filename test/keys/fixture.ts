/** What the tests of keys share: rings, more handles on a database, and time that passes when it is told to. */
import type { ExecutionContext } from 'ava'
import { decodeProtectedHeader, importJWK, SignJWT } from 'jose'
import { connectDatabase, type Database } from '../../src/database/connect.ts'
import { keyPolicyDefaults, type KeyPolicy } from '../../src/keys/key-policy.ts'
import { listKeys } from '../../src/keys/queries.ts'
import { createKeyRing, type KeyRing, type KeySet } from '../../src/keys/ring.ts'
import type { PublishedKey, SigningAlg } from '../../src/keys/signing-key.ts'
import { newMasterKey, parseMasterKeys } from '../../src/lib/master-key.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

export const silent = createLogger({ level: 'silent' })
export const masterKeys = parseMasterKeys(newMasterKey())
export const policy: KeyPolicy = { ...keyPolicyDefaults, retainSeconds: 86_400 }
/** Where one algorithm is enough and no ring asks for RS256: RSA keys keep the thread pool busy, on which connections wait, too. */
export const quick: KeyPolicy = { ...policy, algorithms: ['ES256'] }
/** The least that a ring takes. */
export const oneAlg: KeyPolicy = { ...policy, algorithms: ['RS256'] }

type Test = Pick<ExecutionContext, 'teardown'>

/** Another process's view of a database. */
export async function anotherHandle(t: Test, url: string): Promise<Database> {
  const db = await connectDatabase({ url, dataDirectory: '', poolMax: 5, log: silent })
  t.teardown(() => db.close())
  return db
}

/** A handle that hears no notification, so that only polling is left. */
export function deaf(db: Database): Database {
  return { ...db, listen: async () => async () => undefined }
}

export async function startRing(t: Test, db: Database, its: KeyPolicy = policy): Promise<KeyRing> {
  const ring = await createKeyRing({ db, policy: its, masterKeys, log: silent })
  t.teardown(() => ring.close())
  return ring
}

/** Makes every key older: on the database's clock so much time has passed. */
export async function pass(db: Database, seconds: number): Promise<void> {
  await db.knex.raw(
    `update signing_keys set published_at = published_at - ?::float8 * interval '1 second',
       activated_at = activated_at - ?::float8 * interval '1 second', retired_at = retired_at - ?::float8 * interval '1 second'`,
    [seconds, seconds, seconds],
  )
}

/** The key in a state, of the one algorithm there is or the one named. */
export async function keyOf(db: Database, state: string, alg?: SigningAlg): Promise<PublishedKey | undefined> {
  return (await listKeys(db.knex)).find((key) => key.state === state && key.alg === (alg ?? key.alg))
}

/** The events so far, `type subject`, oldest first. */
export async function eventsOf(db: Database): Promise<string[]> {
  const rows = await db.knex('events').select<{ type: string; subject: string }[]>('type', 'subject').orderBy('id')
  return rows.map(({ type, subject }) => `${type} ${subject}`)
}

/** Signs as whoever holds the set would. */
export async function sign(set: KeySet, alg: SigningAlg = 'RS256'): Promise<string> {
  const key = set.jwks.keys.find(({ kid }) => kid === set.signers[alg])
  if (!key) throw new Error(`nothing signs ${alg}`)
  return new SignJWT({}).setProtectedHeader({ alg, kid: key.kid! }).sign(await importJWK(key))
}

export function kidOf(token: string): string | undefined {
  return decodeProtectedHeader(token).kid
}

/** Waits until something holds; fails after twenty seconds. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await what()); await new Promise((resolve) => setTimeout(resolve, 10))) {
    if (Date.now() > end) throw new Error('it did not happen within twenty seconds')
  }
}
