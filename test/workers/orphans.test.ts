import test from 'ava'
import { startServerProcesses } from '../support/auth-server.ts'
import { isAlive, until } from '../support/embedded.ts'

test('workers do not outlive their supervisor, and their port is free', async (t) => {
  const { servers } = await startServerProcesses(t, 1, { WEB_CONCURRENCY: '2' })
  const server = servers[0]!
  const workers = () => server.logs.flatMap(({ msg, pid }) => (msg === 'a worker serves' ? [pid as number] : []))
  t.true(await until(() => workers().length === 2))
  await server.kill()
  t.true(await until(() => !workers().some(isAlive)))
  await t.throwsAsync(fetch(`${server.url}/health/live`))
})
