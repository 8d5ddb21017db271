/**
 * `doctor` looks at an installation as an experienced operator would at three in the morning, and says what is wrong and how
 * to mend it. It only reads. Each check is a file of its own that knows one part; none stops another.
 */
import { checkClock, checkDatabase } from './database.ts'
import type { Examination, Finding } from './finding.ts'
import { checkIssuer } from './issuer.ts'
import { checkLeftovers } from './leftovers.ts'
import { checkMasterKeyUse, checkSchema, checkSigningKeys } from './keys-and-schema.ts'

type Check = (examination: Examination) => Promise<Finding[]>

const CHECKS: [string, Check][] = [
  ['database', checkDatabase],
  ['schema', checkSchema],
  ['clock', checkClock],
  ['master key', checkMasterKeyUse],
  ['signing keys', checkSigningKeys],
  ['issuer', checkIssuer],
  ['leftovers', checkLeftovers],
]

/** All findings, in the order in which the parts stand on one another. A check that breaks is a finding itself. */
export async function examine(examination: Examination): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [check, look] of CHECKS) {
    try {
      findings.push(...(await look(examination)))
    } catch (error) {
      findings.push({ check, status: 'fail', detail: `could not be looked at: ${(error as Error).message}` })
    }
  }
  return findings
}
