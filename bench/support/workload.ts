import type { Answer, Call } from './http-connection.ts'

/**
 * What the virtual clients ask. Each file of workloads/ exports `create(settings)`; it runs in the generator's process, and its
 * state lasts from job to job.
 */
export interface Workload {
  /** What is measured. */
  run: Phase
  /** What must have been asked before, such as for codes; not measured. */
  prepare?: Phase
  /** What must have been made before that needs no server, enough for so many operations; not measured. */
  make?(operations: number): void | Promise<void>
}

export interface Phase {
  /** The first request of this client's next operation. @returns undefined when there is nothing left to ask */
  next(client: number): Call | undefined
  /**
   * @returns the next request of the same operation, undefined after its last
   * @throws when the answer is not what it should be: an error is no operation
   */
  take(client: number, answer: Answer): Call | undefined
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
export function expectStatus({ status, body }: Answer, expected: number): undefined {
  if (status !== expected) throw new Error(`${status} instead of ${expected}: ${body.slice(0, 300)}`)
}

export function form(
  path: string,
  headers: Readonly<Record<string, string>>,
  parameters: Readonly<Record<string, string>>,
): Call {
  return {
    method: 'POST',
    path,
    headers: { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(parameters).toString(),
  }
}
