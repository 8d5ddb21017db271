import type { Answer, Call } from './http-connection.ts'

/**
 * What the virtual clients ask. Each file of workloads/ exports `create(settings)`; it runs in the generator's process, and its
 * state lasts from job to job.
 */
export interface Workload {
  /** What is measured. */
  run: Phase
  /** What must have happened before, such as codes that were issued; not measured. */
  prepare?: Phase
}

export interface Phase {
  /** The next request of this client, which waits for no answer now. @returns undefined when there is nothing left to ask */
  next(client: number): Call | undefined
  /** @throws when the answer is not what it should be: an error is no operation */
  take(client: number, answer: Answer): void
}

/** Where a workload is aimed at, by its names. */
export interface Target {
  port: number
  issuer: string
}

/** As the proxy in front would send them; each virtual client has an address of its own. */
export function forwardedHeaders(issuer: string, client: number): Record<string, string> {
  const { host, protocol } = new URL(issuer)
  return {
    Host: host,
    'X-Forwarded-Proto': protocol.slice(0, -1),
    'X-Forwarded-For': `198.18.${client >> 8}.${client & 255}`,
  }
}

/** @throws with the beginning of what came instead */
export function requireStatus({ status, body }: Answer, expected: number): void {
  if (status !== expected) throw new Error(`${status} instead of ${expected}: ${body.slice(0, 300)}`)
}
