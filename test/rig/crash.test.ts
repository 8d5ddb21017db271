/**
 * A process is killed after each message that a request sends to the database: before what it wrote is committed, after
 * that, before and after it hears of it. The client asks the other process, as it would behind a balancer.
 */
import { deepEqual } from 'node:assert/strict'
import test, { type ExecutionContext } from 'ava'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { fileTeardown, internalErrors } from '../races/pair.ts'
import { buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, Visitor, type Answer, type Page, type TokenResponse } from '../support/visitor.ts'
import type { DeathWarrant, Message } from './database-proxy.ts'
import { age, eventsOf, familiesOf, isWhole, startRig, tell, WRITES, type Rig } from './rig.ts'

const file = fileTeardown()
let rig: Rig

test.before(async () => {
  rig = await startRig(file)
  await buildResource(rig.db)
})
test.after('no request ended in an internal error', () => deepEqual(internalErrors(rig), []))
test.after.always(() => file.end())

type Point = Pick<DeathWarrant, 'messages' | 'answer'>
type Ask<T = TokenResponse> = (instance: string) => Promise<T>

/** The process says whatever it has to say, and dies when the answer has come. */
const AFTER_THE_ANSWER: Point = { messages: Infinity, answer: 'delivered' }

/** Where to kill before the answer: after every message. In the ordinary run around what is written, before and after COMMIT. */
function pointsIn(messages: readonly Message[]): Point[] {
  const every = messages.flatMap(({ kind, statement }, index) => {
    const count = index + 1
    if (!isWhole && !(WRITES.test(statement) && 'ES'.includes(kind))) return []
    // What the last one led to, once heard, is the answer.
    const isHeard = isWhole && 'SQ'.includes(kind) && count < messages.length
    return [
      { messages: count, answer: 'withheld' as const },
      ...(isHeard ? [{ messages: count, answer: 'delivered' as const }] : []),
    ]
  })
  return isWhole ? [{ messages: 0, answer: 'delivered' }, ...every] : every
}

function nameOf(point: Point, messages: readonly Message[]): string {
  return point === AFTER_THE_ANSWER
    ? 'after the answer'
    : `${point.answer} after ${point.messages} of ${messages.length}`
}

/** What a process that has just been started says to the database for this request. */
async function messagesOf(t: ExecutionContext, ask: Ask<{ status: number }>): Promise<Message[]> {
  const server = await rig.spare(t)
  const recording = server.proxy.record()
  t.true((await ask(server.url)).status < 400)
  const messages = [...recording]
  await server.kill()
  return messages
}

/**
 * Has a process of its own die at that point of the request. Whether it died before it answered is asked when the request is
 * over: then it has no answer; else it has one, and its process dies now.
 * @returns its answer, if one came
 */
async function dieIn<T>(
  t: ExecutionContext,
  point: Point,
  messages: readonly Message[],
  ask: Ask<T>,
): Promise<T | undefined> {
  const where = nameOf(point, messages)
  const server = await rig.spare(t)
  const said = server.proxy.record()
  const death = server.proxy.killAfter({ ...point, kill: () => server.kill() })
  const answer = await ask(server.url).catch(() => undefined)
  const isHit = death.happened
  if (isHit) await death.done
  else await server.kill()
  t.is(isHit, point !== AFTER_THE_ANSWER, `${where}: whether the process died in the request`)
  t.is(answer === undefined, isHit, `${where}: no answer comes of a process that died, and one of each that lived`)
  t.deepEqual(said, messages.slice(0, point.messages), `${where}: what is named here is what was hit`)
  return answer
}

test.serial('killed in a refresh: the retry on another process succeeds every time', async (t) => {
  t.timeout(1_800_000)
  const [client, person] = [await buildClient(rig.db), await buildUser(rig.db)]
  const visitor = new Visitor(rig.issuer, rig.instances)
  let current = (await redeem(rig.issuer, client, await visitor.authorize(client, person, { scope: 'openid' }))).body
    .refresh_token
  const ask: Ask = (instance) => refresh(rig.issuer, client, current, {}, instance)
  const messages = await messagesOf(t, ask)
  current = (await ask(rig.instances[0])).body.refresh_token

  const points = [...pointsIn(messages), AFTER_THE_ANSWER]
  for (const [index, point] of points.entries()) {
    const where = nameOf(point, messages)
    const answer = await dieIn(t, point, messages, ask)
    const retry = await ask(rig.instances[index % 2]!)
    t.is(retry.status, 200, where)
    if (answer) t.is(retry.body.refresh_token, answer.body.refresh_token, where)
    t.deepEqual(await familiesOf(rig, person.id), { grants: 1, live: 1 }, where)
    t.is((await tell(rig, rig.instances[0], 'introspect', client, current)).active, false, where)
    current = retry.body.refresh_token
  }
  t.log(`${points.length} kills within ${messages.length} messages and after them`)
  t.true(points.length > 4, 'kills before and after COMMIT of what is written, and after the answer')
  t.is((await ask(rig.instances[0])).status, 200)
  t.is(await eventsOf(rig, 'refresh_token.reuse_detected', person.id), 0)
})

test.serial('killed in a code exchange: never two token sets, never a family that can not be ended', async (t) => {
  t.timeout(1_800_000)
  const [client, person] = [await buildClient(rig.db, { firstParty: true }), await buildUser(rig.db)]
  const visitor = new Visitor(rig.issuer, rig.instances)
  const authorize = () => visitor.authorize(client, person, { scope: 'openid' })
  const end = () => withdrawConsent(rig.db.knex, { userId: person.id, clientId: client.client_id, actor: person.id })
  let code = await authorize()
  const ask: Ask = (instance) => redeem(rig.issuer, client, code, instance)
  const messages = await messagesOf(t, ask)
  await end()

  const points = [...pointsIn(messages), AFTER_THE_ANSWER]
  const sets: ('first' | 'retry' | 'none')[] = []
  let events = 0
  for (const [index, point] of points.entries()) {
    const where = nameOf(point, messages)
    code = await authorize()
    const answer = await dieIn(t, point, messages, ask)
    const retry = await ask(rig.instances[index % 2]!)
    const issued = [answer, retry].filter((one) => one?.status === 200)
    t.true(issued.length <= 1, where)
    t.true(retry.status === 200 || retry.body.error === 'invalid_grant', where)
    sets.push(issued.length === 0 ? 'none' : retry.status === 200 ? 'retry' : 'first')
    t.true((await familiesOf(rig, person.id)).live <= 1, where)
    if (issued.length === 0) {
      // A client that was told 503 after 3 s and waits for the 5 of `Retry-After` is no thief.
      const detected = await eventsOf(rig, 'authorization_code.reuse_detected', person.id)
      await age(rig, person.id, 9)
      t.is((await ask(rig.instances[0])).body.error, 'invalid_grant', where)
      t.is(await eventsOf(rig, 'authorization_code.reuse_detected', person.id), detected, where)
    }

    // By a replay of the code, whoever holds it; or by the person, on the account page.
    const isReplayed = index % 3 < 2
    if (isReplayed) {
      await age(rig, person.id, 16)
      t.is((await ask(rig.instances[0])).body.error, 'invalid_grant', where)
    } else await end()
    t.deepEqual(await familiesOf(rig, person.id), { grants: 0, live: 0 }, where)
    for (const { body } of issued.filter((one) => one !== undefined)) {
      t.is((await refresh(rig.issuer, client, body.refresh_token)).body.error, 'invalid_grant', where)
      t.is((await tell(rig, rig.instances[0], 'introspect', client, body.access_token)).active, false, where)
    }
    const detected = (await eventsOf(rig, 'authorization_code.reuse_detected', person.id)) - events
    events += detected
    t.true(isReplayed ? detected === 1 : detected <= 1, where)
  }
  t.log(`${points.length} kills within ${messages.length} messages and after them, token sets: ${sets.join(' ')}`)
  t.regex(sets.join(' '), /^(retry )+(none )+first$/, 'kills before the claim, after it, and after the answer')
})

test.serial(
  'killed in an approval: the person sends the form again or begins anew, and one code comes of it',
  async (t) => {
    t.timeout(1_800_000)
    const [client, person] = [await buildClient(rig.db), await buildUser(rig.db)]
    const visitor = new Visitor(rig.issuer, [...rig.instances])
    const at = (...instances: string[]) => void visitor.instances.splice(0, Infinity, ...instances)
    await visitor.authorize(client, person)
    const openConsent = async () => {
      const asked = visitor.request_uri(client, { scope: 'openid', prompt: 'consent' })
      return { ...asked, page: await visitor.open(asked.url) }
    }
    const codeIn = ({ url }: Page) => URL.parse(url)?.searchParams.get('code') ?? undefined
    let consent = await openConsent()
    const approve: Ask<Page> = (instance) => {
      at(instance)
      return visitor.allow(consent.page)
    }
    const messages = await messagesOf(t, approve)

    const points = [...pointsIn(messages).filter((_, index) => isWhole || index % 6 === 3), AFTER_THE_ANSWER]
    const codes: ('first' | 'second' | 'none')[] = []
    for (const point of points) {
      const where = nameOf(point, messages)
      at(...rig.instances)
      consent = await openConsent()
      const first = await dieIn(t, point, messages, approve)
      at(...rig.instances)
      const second = await visitor.allow(consent.page)
      const issued = [first, second].flatMap((page) => (page && codeIn(page)) ?? [])
      t.true(issued.length <= 1, where)
      t.true(issued.length === 1 || second.status === 400, where)
      codes.push(issued.length === 0 ? 'none' : codeIn(second) ? 'second' : 'first')
      for (const code of issued) {
        const answer = { ...consent, url: new URL(client.redirect_uri), code } as unknown as Answer
        t.is((await redeem(rig.issuer, client, answer)).status, 200, where)
      }
      const anew = await visitor.authorize(client, person)
      t.is((await redeem(rig.issuer, client, anew)).status, 200, where)
    }
    t.log(`${points.length} kills within ${messages.length} messages and after them, codes: ${codes.join(' ')}`)
    t.regex(codes.join(' '), /^(second )+(none )*first$/, 'kills before the claim, after it, and after the answer')
  },
)
