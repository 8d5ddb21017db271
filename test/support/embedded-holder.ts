/** `node embedded-holder.ts DIRECTORY`: uses the embedded PostgreSQL there until standard input ends. */
import { startEmbedded } from '../../src/database/embedded.ts'
import { createLogger } from '../../src/telemetry/logger.ts'

try {
  const server = await startEmbedded({ directory: process.argv[2]!, log: createLogger({ level: 'silent' }) })
  console.log(JSON.stringify({ url: server.url }))
  process.stdin.resume().once('end', () => void server.release())
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }))
  process.exitCode = 1
}
