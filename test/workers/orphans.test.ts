import test from 'ava'
import { readFileSync } from 'node:fs'
import { startServerProcesses } from '../support/auth-server.ts'
import { isAlive, until } from '../support/embedded.ts'

test('workers do not outlive their supervisor, and their port is free', async (t) => {
  const { servers } = await startServerProcesses(t, 1, { WEB_CONCURRENCY: '2' })
  const [server] = servers
  const pid = server?.process.pid as number
  const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
  t.is(workers.length, 2)
  await server?.kill()
  t.true(await until(() => workers.every((worker) => !isAlive(worker))))
  await t.throwsAsync(fetch(`${server?.url}/health/live`))
})
