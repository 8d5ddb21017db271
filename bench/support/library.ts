import { join } from 'node:path'
import { ISSUER } from './grantry.ts'
import { freePort, startProcess, type MeasuredProcess } from './process.ts'
import type { Seed } from './seed.ts'

export interface BareLibrary extends MeasuredProcess {
  issuer: string
  seed: Seed
}

/** The process of bare-library.ts, with the same clients. */
export async function startLibrary(seed: Seed): Promise<BareLibrary> {
  const port = await freePort()
  const { app, service } = seed
  const server = await startProcess({
    main: join(import.meta.dirname, 'bare-library.ts'),
    port,
    environment: {
      NODE_ENV: 'production',
      PORT: String(port),
      ISSUER,
      CLIENTS: JSON.stringify({ app, service }),
    },
    readyPath: '/health/ready',
  })
  return { ...server, issuer: ISSUER, seed }
}
