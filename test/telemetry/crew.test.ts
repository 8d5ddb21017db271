/** Metrics of one start that makes several processes. */
import test from 'ava'
import { startServerProcesses } from '../support/auth-server.ts'
import { until } from '../support/embedded.ts'
import { freePort } from '../support/free-port.ts'

test('two workers are told as one server on the metrics port, and a killed one takes no count with it', async (t) => {
  const port = await freePort()
  const { servers } = await startServerProcesses(t, 1, { WEB_CONCURRENCY: '2', METRICS_PORT: String(port) })
  const [{ url, logs }] = servers as [(typeof servers)[number]]
  const value = async (series: string) => {
    const lines = (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).split('\n')
    return Number(lines.find((line) => line.startsWith(`${series} `))?.slice(series.length))
  }
  const jwks = 'grantry_http_requests_total{route="/jwks",method="GET",status="200"}'
  const ask = async () => void (await (await fetch(`${url}/jwks`, { headers: { connection: 'close' } })).arrayBuffer())
  for (let count = 0; count < 6; count += 1) await ask()
  t.is(await value(jwks), 6)
  t.is(await value('grantry_workers'), 2)
  t.is(await value('grantry_workers_silent'), 0)
  t.is(await value('grantry_database_up'), 1)
  t.is((await fetch(`http://127.0.0.1:${port}/health/ready`)).status, 200)
  t.is((await fetch(`${url}/metrics`)).status, 404)

  const requests = logs.filter(({ msg, path }) => msg === 'request' && path === '/jwks')
  t.is(new Set(requests.map(({ pid }) => pid)).size, 2, 'both have answered')
  process.kill(requests[0]!.pid as number, 'SIGKILL')
  t.true(await until(() => logs.some(({ msg }) => msg === 'a worker serves in the place of another')))
  await ask()
  t.is(await value(jwks), 7)
  t.is(await value('grantry_workers'), 2)
})
