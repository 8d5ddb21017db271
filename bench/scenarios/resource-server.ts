import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Bench, Scenario } from '../scenario.ts'
import { AUDIENCES } from '../support/names.ts'
import { startLoad, type Load } from '../support/load.ts'
import { freePort, startProcess, type MeasuredProcess } from '../support/process.ts'
import { median } from '../support/statistics.ts'
import { createSigner } from '../support/signature.ts'

const ISSUER = 'https://auth.example.com'
const AUDIENCE = AUDIENCES.RS256
const FRESH_PER_STRETCH = 4000

type Case = 'without' | 'seen' | 'fresh'

/** One Koa app in two processes, with and without verification, and the same requests to both in turn. */
export const scenario: Scenario = {
  name: 'resource-server',
  title: 'Verification in the resource server',
  async run(bench) {
    const { rounds } = bench.options
    const { key, jwksUri } = await publishKey(bench)
    const [bare, guarded] = [await startApi(bench, 'bare', jwksUri), await startApi(bench, 'protected', jwksUri)]
    const aim = async (server: MeasuredProcess, fresh: boolean) => {
      const load = await startLoad('api', { issuer: ISSUER, audience: AUDIENCE, key, fresh }, server.port)
      bench.after(() => load.close())
      return { server, load }
    }
    const cases = {
      without: await aim(bare, false),
      seen: await aim(guarded, false),
      fresh: await aim(guarded, true),
    }
    const cpu: Record<Case, number[]> = { without: [], seen: [], fresh: [] }
    const alone: Record<Case, number[]> = { without: [], seen: [], fresh: [] }
    for (let round = -2; round < rounds; round += 1) {
      bench.say(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`)
      for (const name of Object.keys(cases) as Case[]) {
        const { server, load } = cases[name]
        const together = await stretch(bench, server, load, bench.options.clients)
        const one = await stretch(bench, server, load, 1)
        if (round < 0) continue
        cpu[name].push(together.cpu)
        alone[name].push(one.p50 * 1000)
      }
    }
    const over = (figures: Record<Case, number[]>, name: Case) =>
      median(figures[name].map((value, round) => value - figures.without[round]!))
    const verdict = (what: string, measured: number, atMost: number) => ({ what, measured, atMost, unit: 'µs' })
    return {
      operation: 'a request to an API',
      signatureCpu: { RS256: createSigner('RS256')(150) },
      figures: {
        cpuWithout: median(cpu.without),
        cpuSeen: median(cpu.seen),
        cpuFresh: median(cpu.fresh),
        latencyAloneWithout: median(alone.without),
        latencyMoreSeen: over(alone, 'seen'),
        latencyMoreFresh: over(alone, 'fresh'),
      },
      verdicts: [
        verdict('CPU of verification per request, for a token seen before', over(cpu, 'seen'), 60),
        verdict('CPU of verification per request, for a new token', over(cpu, 'fresh'), 150),
      ],
    }
  },
}

/** @returns CPU per request in µs, and the median latency in ms */
async function stretch(bench: Bench, server: MeasuredProcess, load: Load, clients: number) {
  // Making tokens beforehand bounds the stretch; the same bound for all keeps them alike.
  await load.run({ clients: 1, operations: 0, make: FRESH_PER_STRETCH })
  const before = server.cpu()
  const report = await load.run({ clients, seconds: bench.options.seconds, operations: FRESH_PER_STRETCH })
  return { cpu: (server.cpu() - before) / report.operations, p50: report.latency.p50 }
}

async function startApi(bench: Bench, mode: string, jwksUri: string): Promise<MeasuredProcess> {
  const port = await freePort()
  const server = await startProcess({
    main: join(import.meta.dirname, '..', 'support', 'api.ts'),
    port,
    environment: {
      NODE_ENV: 'production',
      PORT: String(port),
      MODE: mode,
      ISSUER,
      AUDIENCE,
      JWKS_URI: jwksUri,
    },
    readyPath: '/health/ready',
  })
  bench.after(() => server.close())
  return server
}

/** A key set over HTTP, as the issuer would publish it. */
async function publishKey(bench: Bench) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const named = { kid: 'bench', alg: 'RS256', use: 'sig' }
  const body = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), ...named }] })
  const server = createServer((_req, res) => {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'public, max-age=3600' }).end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  bench.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  return { key: { ...privateKey.export({ format: 'jwk' }), ...named }, jwksUri }
}
