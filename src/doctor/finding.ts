import type { Config } from '../config/load.ts'
import type { Database } from '../database/connect.ts'

export interface Finding {
  check: string
  /** `fail`: must be mended. `warn`: look at it. */
  status: 'ok' | 'warn' | 'fail'
  /** What was seen. */
  detail: string
  /** What to do about it. */
  mend?: string
}

export interface Examination {
  config: Config
  db: Database
  fetch: typeof globalThis.fetch
}
