import { loadMasterKeys } from '../config/master-keys.ts'
import { checkMasterKey } from '../keys/master-key-canary.ts'
import type { MasterKeys } from '../lib/master-key.ts'
import type { Session } from './session.ts'

/** Whatever a command seals must be sealed with the key that the servers have, or none of them could read it. */
export async function masterKeysOf({ config, db }: Pick<Session, 'config' | 'db'>): Promise<MasterKeys> {
  const masterKeys = await loadMasterKeys(config)
  await checkMasterKey(db, masterKeys)
  return masterKeys
}
