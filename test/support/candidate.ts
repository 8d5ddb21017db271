/** `node candidate.ts URL NAME`: a candidate for a duty, which prints a line when it is elected, and does nothing else. */
import { connectDatabase } from '../../src/database/connect.ts'
import { createElection } from '../../src/database/election.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

const log = createLogger({ level: 'silent' })
const db = await connectDatabase({ url: process.argv[2]!, dataDirectory: '', poolMax: 2, log })
createElection({ db, log }).lead(process.argv[3]!, (signal) => {
  console.log('elected')
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
})
console.log('candidate')
