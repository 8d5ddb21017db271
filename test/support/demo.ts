/** The demo in this process, against a fake issuer and a database of its own. */
import type { DemoConfig } from '../../src/demo/config.ts'
import { startDemo, type Demo } from '../../src/demo/server.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { emptyDatabaseUrl, type Teardown } from './database.ts'
import { startFakeIssuer, type FakeIssuer, type FakeIssuerOptions } from './fake-issuer.ts'

export interface DemoFixture {
  demo: Demo
  issuer: FakeIssuer
  databaseUrl: string
  /** What the demo has logged so far, one object a line. */
  logged: Record<string, unknown>[]
}

export interface DemoFixtureOptions extends Partial<FakeIssuerOptions> {
  clientId?: string
  /** By which it takes webhooks; none unless given. */
  webhookSecret?: string
  origins?: readonly string[]
  rateLimit?: DemoConfig['rateLimit']
  /** Of another fixture, to share its database and its issuer; then its tokens have the other's audience. */
  databaseUrl?: string
  issuer?: FakeIssuer
}

export async function startDemoFixture(t: Teardown, options: DemoFixtureOptions = {}): Promise<DemoFixture> {
  const { clientId, webhookSecret, origins = [], rateLimit = 'off', databaseUrl, issuer: shared, ...issuing } = options
  const url = databaseUrl ?? (await emptyDatabaseUrl(t))
  const issuerOptions: FakeIssuerOptions = { audience: '', ...issuing }
  const issuer = shared ?? (await startFakeIssuer(issuerOptions))
  if (!shared) t.teardown(() => issuer.stop())
  const logged: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) }
  const demo = await startDemo(
    {
      listen: { host: '127.0.0.1', port: 0 },
      url: undefined,
      issuer: issuer.url,
      database: { url, dataDirectory: '' },
      clientId,
      webhookSecret,
      origins,
      rateLimit,
      log: { level: 'info' },
    },
    { log: createLogger({ level: 'info', destination }), checkAnswers: true },
  )
  t.teardown(() => demo.close())
  issuerOptions.audience = demo.url
  return { demo, issuer, logged, databaseUrl: url }
}

/** Collects what a file starts once for all its tests: hand it to fixtures, end it in `test.after.always`. */
export function fileScope(): Teardown & { end(): Promise<void> } {
  const ends: (() => unknown)[] = []
  return {
    teardown: (end) => void ends.push(end),
    async end() {
      for (let end = ends.pop(); end; end = ends.pop()) await end()
    },
  }
}
