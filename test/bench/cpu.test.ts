import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpuOf, memoryOf, processesOf } from '../../bench/support/cpu.ts'

/** Works a little, in itself and in a child that has ended by then, tells what the system counted for both, and waits. */
const WORKER = `
  const used = () => process.cpuUsage().user + process.cpuUsage().system
  const end = used() + 150_000
  while (used() < end);
  if (process.argv[1] === 'child') console.log(used())
  else {
    const { stdout } = require('node:child_process').spawnSync(process.execPath, ['-e', process.env.WORKER, 'child'])
    console.log(used() + Number(stdout))
    setInterval(() => undefined, 1000)
  }`

test('CPU is that of all threads and of children, those that have ended included', async (t) => {
  const child = spawn(process.execPath, ['-e', WORKER], { env: { WORKER }, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const told = Number(line.toString())
  const measured = cpuOf(child.pid!)
  // Ended children count in steps of 10 ms, and ending takes a little time of its own.
  t.true(told >= 300_000)
  t.true(Math.abs(measured - told) < 0.25 * told, `${measured} measured, ${told} told`)
  t.deepEqual(processesOf(child.pid!), [child.pid!])
  const { largest, all } = memoryOf(child.pid!)
  t.true(largest > 10 && all === largest)
})
