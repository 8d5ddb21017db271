import { keyPolicy } from '../config/key-policy.ts'
import { loadMasterKeys } from '../config/master-keys.ts'
import { migrationStatus } from '../database/migrate.ts'
import { assertHeld, readCanary } from '../keys/master-key-canary.ts'
import { listKeys, readEnvelopes } from '../keys/queries.ts'
import { isSealedWithCurrent } from '../lib/master-key.ts'
import type { Examination, Finding } from './finding.ts'

export async function checkSchema({ db }: Examination): Promise<Finding[]> {
  const states = await migrationStatus(db)
  const check = 'schema'
  const unknown = states.filter(({ tolerated }) => !tolerated).map(({ name }) => name)
  const newer = states.filter(({ known }) => !known).map(({ name }) => name)
  const pending = states.filter(({ appliedAt, known }) => known && appliedAt === null).map(({ name }) => name)
  if (unknown.length > 0) {
    const detail = `the schema is newer than this code: ${unknown.join(', ')}`
    return [{ check, status: 'fail', detail, mend: 'run the newer version, or take the migrations back with it' }]
  }
  if (pending.length > 0) {
    const mend = 'run: grantry migrate up (a starting server does it too)'
    return [{ check, status: 'fail', detail: `not applied: ${pending.join(', ')}`, mend }]
  }
  if (newer.length > 0) {
    const detail = `the schema is of a newer version, with which this one works: ${newer.join(', ')}`
    return [{ check, status: 'warn', detail, mend: 'finish the upgrade: replace what still runs the older version' }]
  }
  return [{ check, status: 'ok', detail: `${states.length} migrations applied, none pending` }]
}

/** Whether MASTER_KEY opens what is sealed, and whether an old one is still needed. */
export async function checkMasterKeyUse({ config, db }: Examination): Promise<Finding[]> {
  const masterKeys = await loadMasterKeys(config)
  const check = 'master key'
  const envelopes = [...(await readEnvelopes(db.knex)).values()]
  const canary = await readCanary(db.knex)
  assertHeld(masterKeys, canary ? [canary, ...envelopes] : envelopes)
  const old = envelopes.filter((envelope) => !isSealedWithCurrent(masterKeys, envelope)).length
  if (old > 0) {
    const detail = `${old} signing keys are sealed with an older master key`
    return [{ check, status: 'warn', detail, mend: 'when every instance has the new one, run: grantry key rewrap' }]
  }
  if (masterKeys.length > 1) {
    const detail = `${masterKeys.length - 1} older master key is still configured, and nothing needs it`
    return [{ check, status: 'warn', detail, mend: 'take it out of MASTER_KEY and restart' }]
  }
  return [{ check, status: 'ok', detail: 'opens everything that is sealed' }]
}

/** Whether the keys turn over as they should. */
export async function checkSigningKeys({ config, db }: Examination): Promise<Finding[]> {
  const check = 'signing keys'
  const policy = keyPolicy(config)
  const keys = await listKeys(db.knex)
  if (keys.length === 0) {
    return [{ check, status: 'warn', detail: 'there are none yet', mend: 'start the server: it makes them' }]
  }
  return policy.algorithms.map((alg): Finding => {
    const current = keys.find((key) => key.alg === alg && key.state === 'current')
    const next = keys.find((key) => key.alg === alg && key.state === 'next')
    if (!current || !next) {
      const missing = current ? 'no next key is published' : 'there is no current key'
      return { check, status: 'fail', detail: `${alg}: ${missing}`, mend: 'is a server running? Its log says why' }
    }
    const age = (Date.now() - (current.activatedAt ?? current.publishedAt).getTime()) / 1000
    const due = policy.rotationSeconds + policy.publishSeconds
    if (age > due * 1.1) {
      const detail = `${alg}: the current key is ${days(age)} old, but should hand over after ${days(policy.rotationSeconds)}`
      return { check, status: 'fail', detail, mend: 'start a server, or run: grantry key rotate' }
    }
    return { check, status: 'ok', detail: `${alg}: the current key is ${days(age)} old, its successor is published` }
  })
}

function days(seconds: number): string {
  const value = seconds / 86_400
  return value < 1 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(value)} days`
}
