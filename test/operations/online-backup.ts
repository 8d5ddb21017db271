/** A backup of the embedded PostgreSQL while it runs, with no other program than `cp`: what pg_basebackup does, by hand. */
import { execFile } from 'node:child_process'
import { chownSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { ownerOf } from '../support/embedded.ts'

const run = promisify(execFile)

/** What a server needs to be backed up while it runs, and what a test may do without. */
export const BACKUP_SETTINGS = { wal_level: 'replica', fsync: 'off' }

/**
 * @param from an embedded server's directory
 * @param to a server can be started on it
 * @param atEnd is called at the last moment: what was committed by then is in the backup
 */
export async function backUp(url: string, from: string, to: string, atEnd: () => void): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`select pg_backup_start('test', fast => true)`)
    await copy(join(from, 'cluster'), join(to, 'cluster'))
    atEnd()
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop()')
    const [data, copied] = [join(from, 'cluster', 'data'), join(to, 'cluster', 'data')]
    for (const file of ['postmaster.pid', 'postmaster.opts', 'pg_wal']) {
      rmSync(join(copied, file), { recursive: true, force: true })
    }
    await copy(join(data, 'pg_wal'), join(copied, 'pg_wal'))
    const label = join(copied, 'backup_label')
    writeFileSync(label, rows[0]!.labelfile, { mode: 0o600 })
    chownSync(label, ownerOf(data), ownerOf(data))
  } finally {
    await client.end()
  }
}

/** Files come and go while the server runs; what it needs of them it has written down. */
async function copy(from: string, to: string): Promise<void> {
  try {
    await run('cp', ['-a', from, to])
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    const complaints = stderr.split('\n').filter((line) => line !== '' && !line.includes('No such file or directory'))
    if (complaints.length > 0 || stderr === '') throw error
  }
}
