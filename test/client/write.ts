/** `node test/client/write.ts`: writes src/client/operations.ts anew, after an operation of the management API has changed. */
import { writeFileSync } from 'node:fs'
import { currentOperationsModule, OPERATIONS_FILE } from './operations-module.ts'

const ends: (() => unknown)[] = []
writeFileSync(OPERATIONS_FILE, await currentOperationsModule({ teardown: (end) => void ends.push(end) }))
for (const end of ends) await end()
