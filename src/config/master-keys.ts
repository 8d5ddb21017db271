import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newMasterKey, parseMasterKeys, SealError, type MasterKeys } from '../lib/master-key.ts'
import { ConfigError, type Config } from './load.ts'

/**
 * The master keys: from MASTER_KEY, or in development from `DATA_DIR/master.key`, which the first start makes (mode 0600).
 * Two first starts at once agree on one key: the file appears under its name only when complete, and only once.
 * @throws ConfigError when MASTER_KEY or the file does not hold 32-byte keys
 */
export async function loadMasterKeys(config: Config): Promise<MasterKeys> {
  if (config.masterKey !== undefined) return parse(config.masterKey, 'MASTER_KEY')
  if (!config.development) throw new ConfigError(['MASTER_KEY must be set'])
  const path = join(config.dataDirectory, 'master.key')
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o700 })
  await createOnce(path, `${newMasterKey()}\n`)
  return parse((await readFile(path, 'utf8')).trim(), path)
}

function parse(text: string, source: string): MasterKeys {
  try {
    return parseMasterKeys(text)
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    throw new ConfigError([
      `${source}: ${error.message}; make one with: node -p "crypto.randomBytes(32).toString('base64url')"`,
    ])
  }
}

async function createOnce(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`
  await writeFile(draft, text, { mode: 0o600, flag: 'wx' })
  try {
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(draft)
  }
}
