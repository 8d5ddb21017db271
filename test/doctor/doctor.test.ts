import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { loadConfig } from '../../src/config/load.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { keyPolicy } from '../../src/config/key-policy.ts'
import { loadMasterKeys } from '../../src/config/master-keys.ts'
import { examine } from '../../src/doctor/doctor.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import { createKeyRing } from '../../src/keys/ring.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { testDatabase, type Teardown } from '../support/database.ts'
import { buildClient, buildResource } from '../support/registry.ts'

async function installation(t: Teardown, environment: Record<string, string> = {}) {
  const db = await testDatabase(t)
  const config = loadConfig({
    NODE_ENV: 'production',
    ISSUER: 'https://auth.example.com',
    TRUST_PROXY: '1',
    DATABASE_URL: db.url,
    MASTER_KEY: newMasterKey(),
    DATA_DIR: mkdtempSync(join(tmpdir(), 'doctor-')),
    ...environment,
  })
  const masterKeys = await loadMasterKeys(config)
  const ring = await createKeyRing({
    db,
    policy: keyPolicy(config),
    masterKeys,
    log: createLogger({ level: 'silent' }),
  })
  await ring.close()
  const look = (fetch: typeof globalThis.fetch = answering({ issuer: config.issuer })) => examine({ config, db, fetch })
  return { config, db, look }
}

const answering = (body: object, status = 200) =>
  (() => Promise.resolve(Response.json(body, { status }))) as typeof fetch

const failing = (code: string) =>
  (() =>
    Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error('no'), { code }) }))) as typeof fetch

function find(findings: Finding[], check: string, pattern: RegExp): Finding | undefined {
  return findings.find((finding) => finding.check === check && pattern.test(finding.detail))
}

test('a sound installation needs no mending', async (t) => {
  const { look } = await installation(t)
  // The test database is fast and loose on purpose.
  const failed = (await look()).filter(({ status, detail }) => status === 'fail' && !/fsync/.test(detail))
  t.deepEqual(failed, [])
})

test('a proxy that does not pass the host on is named, with the mend', async (t) => {
  const { look } = await installation(t)
  t.like(find(await look(answering({}, 421)), 'issuer', /not asked by its own name/), { status: 'fail' })
  t.like(find(await look(answering({}, 502)), 'issuer', /answers 502/), { status: 'fail' })
  t.like(find(await look(answering({ issuer: 'https://other.example' })), 'issuer', /other\.example/), {
    status: 'fail',
  })
  t.regex(find(await look(failing('CERT_HAS_EXPIRED')), 'issuer', /CERT/)?.mend ?? '', /renew/)
  t.like(find(await look(failing('ECONNREFUSED')), 'issuer', /ECONNREFUSED/), { status: 'warn' })
})

test('TLS in front without TRUST_PROXY must be mended', async (t) => {
  const { look } = await installation(t, { TRUST_PROXY: '' })
  t.like(find(await look(), 'proxy', /TRUST_PROXY is not set/), { status: 'fail' })
})

test('a loose database setting is found', async (t) => {
  const { look } = await installation(t)
  t.like(find(await look(), 'database', /fsync is off/), { status: 'fail' })
})

test('a schema that is behind, and one that is ahead, are found', async (t) => {
  const { db, look } = await installation(t)
  await db.pool.query(`insert into schema_migrations (name) values ('9999-from-the-future')`)
  t.like(find(await look(), 'schema', /newer than this code: 9999/), { status: 'fail' })
  await db.pool.query(`update schema_migrations set needs = '0001-registry' where name like '9999%'`)
  t.like(find(await look(), 'schema', /newer version, with which this one works: 9999/), { status: 'warn' })
})

test('keys that do not turn over are found', async (t) => {
  const { db, look } = await installation(t)
  await db.pool.query(
    `update signing_keys set activated_at = now() - interval '90 days', published_at = now() - interval '91 days' where state = 'current' and alg = 'RS256'`,
  )
  t.like(find(await look(), 'signing keys', /RS256.*90 days old/), { status: 'fail' })
})

test('a foreign master key is found, and an old one that nothing needs', async (t) => {
  const { config, db } = await installation(t)
  const look = (masterKey: string) =>
    examine({ config: { ...config, masterKey }, db, fetch: answering({ issuer: config.issuer }) })
  t.like(find(await look(newMasterKey()), 'master key', /could not be looked at/), { status: 'fail' })
  t.like(find(await look(`${newMasterKey()},${config.masterKey}`), 'master key', /sealed with an older/), {
    status: 'warn',
  })
  t.like(find(await look(`${config.masterKey},${newMasterKey()}`), 'master key', /nothing needs it/), {
    status: 'warn',
  })
})

test('what development left in production must be mended', async (t) => {
  const { config, db, look } = await installation(t)
  writeFileSync(join(config.dataDirectory, 'first-run.json'), '{}')
  await buildResource(db)
  await buildClient(db, { kind: 'service', name: 'Demo service', actor: 'first-run' })
  await buildClient(db, { kind: 'spa', name: 'Workbench', redirectUris: ['http://localhost:5173/callback'] })
  const findings = await look()
  t.like(find(findings, 'leftovers', /first-run\.json/), { status: 'fail' })
  t.regex(find(findings, 'leftovers', /Demo service/)?.mend ?? '', /^run: grantry client delete cli_/)
  t.like(find(findings, 'clients', /Workbench.*localhost/), { status: 'warn' })
})
