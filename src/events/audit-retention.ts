import type { Expired } from '../database/sweeper.ts'

/** Audit entries that are older than the operator wants to keep them. */
export function expiredAuditEntries(keepSeconds: number): Expired {
  const keep = `${keepSeconds} seconds`
  // The table's guard wants to hear it, too, and lets nothing younger go (migration 0020-bounded).
  return { table: 'audit_log', column: 'at', keep, setting: ['grantry.audit_retention', keep] }
}
