/**
 * Somebody ends something in the middle of a request: before each of its statements in turn, when each is done but not
 * committed, and beginning before and committing after it. Whatever the request still hands out opens nothing afterwards,
 * and it ends in an answer, never in an internal error. The ordinary run stops at the statements that write, and tries the
 * two most common ends.
 */
import { deepEqual } from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { Database } from '../../src/database/connect.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { endOtherSessions } from '../../src/registry/sessions/end.ts'
import { disableUser, enableUser } from '../../src/registry/users/disable.ts'
import { createPasswordHasher } from '../../src/registry/users/password.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { fileTeardown, internalErrors } from '../races/pair.ts'
import { API, buildClient, buildResource, buildUser, PASSWORD, type TestClient } from '../support/registry.ts'
import { redeem, refresh, Visitor, type Answer, type Page, type TokenResponse } from '../support/visitor.ts'
import { createBarrier, nthStatement } from './barrier.ts'
import { startDatabaseProxy, type DatabaseProxy } from './database-proxy.ts'
import { connectDirectly, isWhole, startRig, tell, WRITES, type Rig } from './rig.ts'

const file = fileTeardown()
const hasher = createPasswordHasher()
const ASKED = { scope: 'openid orders:read', resource: API }
let rig: Rig
/** Through which things are ended; it has a proxy of its own, which can hold the COMMIT. */
let operator: Database & { proxy: DatabaseProxy }

test.before(async () => {
  rig = await startRig(file)
  const proxy = await startDatabaseProxy(file, rig.databaseUrl)
  operator = { ...(await connectDirectly(file, proxy.url)), proxy }
  await buildResource(rig.db, { tokenFormat: 'opaque' })
})
test.after('no request ended in an internal error', () => deepEqual(internalErrors(rig), []))
test.after.always(() => file.end())

/** A person with a client and a browser, at one of the two processes. */
interface Scene {
  client: TestClient
  person: { id: string; username: string; password: string }
  visitor: Visitor
  instance: string
}

/** What a request handed out. */
interface Outcome {
  status: number
  code?: Answer
  tokens?: TokenResponse['body']
}

type Request = () => Promise<Outcome>

/** A request, and what has to happen before it. */
const REQUESTS: Record<string, (scene: Scene) => Promise<Request>> = {
  async 'sign-in'({ client, person, visitor }) {
    // What was allowed in another browser is not asked again.
    await new Visitor(rig.issuer, rig.instances).authorize(client, person, ASKED)
    const { url, verifier, state } = visitor.request_uri(client, { ...ASKED, prompt: 'login' })
    const page = await visitor.open(url)
    return async () => outcomeOf(await visitor.signIn(page, person), { verifier, state })
  },
  async consent({ client, person, visitor }) {
    const { url, verifier, state } = visitor.request_uri(client, { ...ASKED, prompt: 'consent' })
    let page = await visitor.open(url)
    if (page.html.includes('name="password"')) page = await visitor.signIn(page, person)
    return async () => outcomeOf(await visitor.allow(page), { verifier, state })
  },
  async 'authorization without a page'({ client, person, visitor }) {
    await visitor.authorize(client, person, ASKED)
    const { url, verifier, state } = visitor.request_uri(client, ASKED)
    return async () => outcomeOf(await visitor.open(url), { verifier, state })
  },
  async redemption({ client, person, visitor, instance }) {
    const answer = await visitor.authorize(client, person, ASKED)
    return async () => tokensOf(await redeem(rig.issuer, client, answer, instance))
  },
  async refresh({ client, person, visitor, instance }) {
    const { body } = await redeem(rig.issuer, client, await visitor.authorize(client, person, ASKED))
    return async () => tokensOf(await refresh(rig.issuer, client, body.refresh_token, {}, instance))
  },
}

interface End {
  /** What somebody does in the middle. */
  happen: (scene: Scene) => Promise<unknown>
  /** What somebody does afterwards, which must bring nothing back. */
  undo?: (scene: Scene) => Promise<unknown>
  /** What `prompt=none` answers then. */
  asks?: 'login_required' | 'consent_required'
  /** Requests that are not ended by it when they come later: what they hand out has another reason. */
  notFor?: string[]
  /** Whether the person has said yes after it: then it happens once more. */
  isOvertaken?: (scene: Scene) => Promise<boolean>
}

const actor = 'test'
const ENDS: Record<string, End> = {
  'the user is disabled': {
    happen: ({ person }) => disableUser(operator.knex, { userId: person.id, actor }),
    undo: ({ person }) => enableUser(operator.knex, { userId: person.id, actor }),
    asks: 'login_required',
  },
  'consent is withdrawn': {
    happen: ({ person, client }) =>
      withdrawConsent(operator.knex, { userId: person.id, clientId: client.client_id, actor: person.id }),
    asks: 'consent_required',
    isOvertaken: async ({ person }) => (await rig.db.knex('consents').where({ user_id: person.id })).length > 0,
  },
  'the client is disabled': {
    happen: ({ client }) => disableClient(operator.knex, client.client_id, { actor }),
    undo: ({ client }) => enableClient(operator.knex, client.client_id, { actor }),
    // Not for good: what the person allowed it stays.
  },
  'the password is changed': {
    happen: ({ person }) => {
      person.password = `${PASSWORD} ${(changes += 1)}`
      return setPassword(operator.knex, { hasher }, { userId: person.id, password: person.password, actor })
    },
    asks: 'login_required',
  },
  'all sessions are ended': {
    happen: ({ person }) => endOtherSessions(operator.knex, { userId: person.id, actor }),
    asks: 'login_required',
    notFor: ['sign-in'],
  },
}
let changes = 0

const ORDINARY = ['the user is disabled', 'consent is withdrawn']

for (const [end, about] of Object.entries(ENDS)) {
  for (const [request, prepare] of Object.entries(REQUESTS)) {
    if (about.notFor?.includes(request) || (!isWhole && !ORDINARY.includes(end))) continue
    // One after the other: statements are counted.
    test.serial(`${end} during ${request}: nothing that was issued works afterwards`, async (t) => {
      t.timeout(900_000)
      for (const moment of ['before', 'within', 'around'] as const) await atEachStatement(t, prepare, about, moment)
    })
  }
}

/** The end comes before a statement; when the statement is done, but not committed; or it begins before and commits after. */
type Moment = 'before' | 'within' | 'around'

async function atEachStatement(
  t: ExecutionContext,
  prepare: (scene: Scene) => Promise<Request>,
  { happen, undo, asks, isOvertaken }: End,
  moment: Moment,
): Promise<void> {
  const [client, person] = [await buildClient(rig.db), await buildUser(rig.db)]
  const kind = isWhole ? /./ : WRITES
  let total = Infinity
  for (let count = 1; count <= total; count += 1) {
    const server = rig.servers[count % 2]!
    const scene = { client, person, visitor: new Visitor(rig.issuer, [server.url]), instance: server.url }
    await rig.db.knex('login_throttles').delete()
    const request = await prepare(scene)
    const barrier = nthStatement(count, { moment: moment === 'within' ? 'commit' : 'begin', kind })
    server.proxy.hold(barrier)
    const going = request().finally(() => barrier.open())
    if (!(await barrier.arrived(1))) total = count
    const place = `${moment} ${count}: ${barrier.held[0]?.trim().slice(0, 300)}`

    const commit = createBarrier((statement) => moment === 'around' && /^commit/i.test(statement))
    operator.proxy.hold(commit)
    const ended = happen(scene).finally(() => commit.open())
    await doneOrBlocked(Promise.race([ended, commit.arrived(1)]))
    await barrier.open()
    await doneOrBlocked(going)
    await commit.open()
    const [outcome] = await Promise.all([going, ended])
    t.true(outcome.status < 500, place)
    if (await isOvertaken?.(scene)) await happen(scene)
    await assertDead(t, scene, outcome, { place, asks })
    if (!undo) continue
    await undo(scene)
    await assertDead(t, scene, outcome, { place: `${place}, undone`, asks })
  }
}

/** Resolves when the work is done, or waits for a lock that somebody else holds. */
async function doneOrBlocked(work: Promise<unknown>): Promise<void> {
  let isDone = false
  const end = () => void (isDone = true)
  work.then(end, end)
  for (const deadline = Date.now() + 3000; !isDone && Date.now() < deadline; await delay(5)) {
    const { rows } = await rig.db.knex.raw<{ rows: { blocked: boolean }[] }>(`
      select exists (
        select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
      ) as blocked`)
    if (rows[0]?.blocked) return
  }
}

async function assertDead(
  t: ExecutionContext,
  { client, person, visitor }: Scene,
  { code, tokens }: Outcome,
  { place, asks }: { place: string; asks: End['asks'] },
): Promise<void> {
  const refused = ['invalid_grant', 'invalid_client']
  if (code) {
    const { body } = await redeem(rig.issuer, client, code)
    t.true(refused.includes(body.error ?? ''), `code, ${place}`)
  }
  if (tokens?.refresh_token) {
    const { body } = await refresh(rig.issuer, client, tokens.refresh_token)
    t.true(refused.includes(body.error ?? ''), `refresh token, ${place}`)
    for (const value of [tokens.access_token, tokens.refresh_token]) {
      t.not((await tell(rig, rig.instances[0], 'introspect', client, value)).active, true, `introspection, ${place}`)
    }
  }
  t.deepEqual(await rig.db.knex('grants').where({ user_id: person.id }), [], place)
  if (!asks) return
  const none = await visitor.open(visitor.request_uri(client, { ...ASKED, prompt: 'none' }).url)
  t.is(new URL(none.url).searchParams.get('error'), asks, place)
  if (asks === 'consent_required') return
  t.deepEqual(
    await rig.db.knex('sessions').where({ user_id: person.id }).whereNull('ended_at').select('uid'),
    [],
    place,
  )
}

function outcomeOf({ url, status }: Page, { verifier, state }: { verifier: string; state: string }): Outcome {
  const end = new URL(url)
  const code = end.searchParams.get('code') ?? undefined
  return {
    status,
    ...(code ? { code: { url: end, code, error: undefined, verifier, state, parameters: end.searchParams } } : {}),
  }
}

function tokensOf({ status, body }: TokenResponse): Outcome {
  return { status, ...(status === 200 ? { tokens: body } : {}) }
}
