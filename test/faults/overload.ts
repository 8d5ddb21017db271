/**
 * Ten times as many requests as the server can answer: it answers what it can, refuses the rest at once, and is over it in
 * seconds.
 */
import type { ExecutionContext } from 'ava'
import { figures, ROUNDS } from './figures.ts'
import { createFlood } from './flood.ts'
import { percentile } from './ledger.ts'
import type { FaultRig } from './rig.ts'

const TIMES = 10
const FLOOD_MS = 2_000
const RECOVERY_MS = 10_000

/** @param lines of the request below `Host`, and its body */
export function requestOf(
  { world }: Pick<FaultRig, 'world'>,
  start: string,
  lines: readonly string[],
  body = '',
): string {
  const { host } = new URL(world.issuer)
  return [start, `Host: ${host}`, ...lines, `Content-Length: ${body.length}`, '', body].join('\r\n')
}

/**
 * @param request one whole request that is answered 200
 * @param keepsUp whether the sender can send as much on any machine
 */
export async function overload(
  t: ExecutionContext,
  rig: FaultRig,
  name: string,
  request: string,
  { keepsUp = true } = {},
): Promise<void> {
  t.timeout(60_000 * (ROUNDS + 1))
  const knownErrors = rig.errors().length
  const flood = createFlood(Number(new URL(rig.world.issuer).port), request)
  t.teardown(() => flood.close())
  for (let round = 0; round < ROUNDS; round += 1) {
    await flood.closed(16, 300)
    const calm = await flood.closed(16, 1_000)
    t.deepEqual(new Set(calm.map(({ status }) => status)), new Set([200]))
    const { sent, answered, unanswered } = await flood.at(calm.length * TIMES, FLOOD_MS)
    const ended = performance.now()

    // It is over when nothing is refused or late for a while.
    let lastBad = ended
    while (performance.now() - lastBad < 600 && performance.now() - ended < 30_000) {
      const after = await flood.closed(2, 100)
      if (after.some(({ status, ms }) => status !== 200 || ms > 1_000)) lastBad = performance.now()
    }
    const recoveredMs = lastBad - ended
    const failed = (await flood.closed(4, 500)).filter(({ status }) => status >= 500).length

    const [good, shed] = [200, 503].map((status) => answered.filter((answer) => answer.status === status))
    const [slowest, slowestRefusal] = [good!, shed!].map((answers) => percentile(answers.map(({ ms }) => ms), 99)) // prettier-ignore
    const facts = { injected: sent, acknowledged: good!.length, refused: shed!.length, unanswered }
    const times = { 'p99 answered ms': Math.round(slowest!), 'p99 refused ms': Math.round(slowestRefusal!) }
    t.log(figures(`overload of ${name}, ${TIMES} × ${calm.length}/s`, { ...facts, ...times, '5xx after recovery': failed, recoveredMs })) // prettier-ignore
    t.true(good!.length > calm.length / 5, 'and yet there are answers')
    t.true(shed!.every(({ retryAfter }) => Number(retryAfter) >= 1))
    t.is(good!.length + shed!.length, answered.length, 'there is no other answer')
    // Where the sender shares the processor with the server it is late itself, and sends less than it means to.
    if (keepsUp) {
      t.true(shed!.length > good!.length, 'most of it is refused')
      t.true(slowest! < 8_000, 'no queue without end')
    }
    t.is(failed, 0)
    t.true(recoveredMs < RECOVERY_MS, `recovered after ${Math.round(recoveredMs)} ms`)
  }
  t.true(rig.servers[0]!.logs.some(({ msg }) => String(msg).startsWith('more requests than can be answered')))
  t.is(rig.errors().length, knownErrors)
}
