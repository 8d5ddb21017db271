/**
 * A PostgreSQL of the bench's own, in a temporary directory, as durable as any (fsync on), gone afterwards. Each scenario gets
 * a copy of one database that is migrated, has its signing keys and holds what seed.ts makes.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../../src/database/embedded.ts'
import { newMasterKey } from '../../src/lib/master-key.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

export interface Cluster {
  /** Of its first process; all others are its children. */
  pid: number
  /** Seals what is in the copies. */
  masterKey: string
  /** A database of its own. @returns its connection string */
  createDatabase(template?: string): Promise<{ name: string; url: string }>
  close(): Promise<void>
}

export async function startCluster(): Promise<Cluster> {
  const parent = mkdtempSync(join(tmpdir(), 'grantry-bench-'))
  // The server may run as an account of its own, which must be able to pass.
  chmodSync(parent, 0o711)
  const directory = join(parent, 'postgres')
  const embedded = await startEmbedded({ directory, log: createLogger({ level: 'silent' }) })
  const pidFile = join(directory, 'cluster', 'data', 'postmaster.pid')
  let count = 0
  return {
    pid: Number(readFileSync(pidFile, 'utf8').split('\n')[0]),
    masterKey: newMasterKey(),
    async createDatabase(template = 'template0') {
      const name = `bench_${(count += 1)}`
      await administer(embedded.url, `create database ${name} template ${template}`)
      const url = new URL(embedded.url.replace('@/', '@host/'))
      url.pathname = `/${name}`
      return { name, url: url.href.replace('@host/', '@/') }
    },
    async close() {
      await embedded.release()
      rmSync(parent, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
