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
import { deleteClient } from '../../src/registry/clients/delete.ts'
import { disableClient, enableClient } from '../../src/registry/clients/disable.ts'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { endOtherSessions } from '../../src/registry/sessions/end.ts'
import { deleteUser } from '../../src/registry/users/delete.ts'
import { disableUser, enableUser } from '../../src/registry/users/disable.ts'
import { createPasswordHasher } from '../../src/registry/users/password.ts'
import { setPassword } from '../../src/registry/users/set-password.ts'
import { fileTeardown, internalErrors } from '../races/pair.ts'
import { API, buildClient, buildResource, buildUser, PASSWORD, type TestClient } from '../support/registry.ts'
import { redeem, refresh, Visitor, type Answer, type Page, type TokenResponse } from '../support/visitor.ts'
import { nthStatement, type Barrier } from './barrier.ts'
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
  /** Client and person can't be used again. */
  isForGood?: true
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
  'the user is deleted': {
    happen: ({ person }) => deleteUser(operator.knex, { userId: person.id, actor }),
    isForGood: true,
    asks: 'login_required',
  },
  'the client is deleted': {
    happen: ({ client }) => deleteClient(operator.knex, client.client_id, { actor }),
    isForGood: true,
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
      await atEveryMeeting(t, prepare, about)
    })
  }
}

/** Where the two meet: the request is held at one of its statements, the end at one of its own meanwhile. */
interface Meeting {
  request: Barrier
  end: Barrier
}

const NEVER = /(?!)/
const COMMIT = /^commit/i

/**
 * Every meeting of a request with an end: it happens before a statement; when the statement is done, but not committed; or
 * it begins before and commits after. The whole proof also stops the end at every statement of its own.
 */
async function atEveryMeeting(
  t: ExecutionContext,
  prepare: (scene: Scene) => Promise<Request>,
  about: End,
): Promise<void> {
  const kind = isWhole ? /./ : WRITES
  const nowhere = nthStatement(1, { kind: NEVER })
  const meet = scenes(t, prepare, about)
  for (const moment of ['begin', 'commit'] as const) {
    await eachUntilFalse((count) =>
      meet(count, { request: nthStatement(count, { moment, kind }), end: nowhere }, 'request'),
    )
  }
  await eachUntilFalse(async (count) => {
    const meetAt = (end: Barrier, until: 'request' | 'end') =>
      meet(count, { request: nthStatement(count, { kind: WRITES }), end }, until)
    if (isWhole) await eachUntilFalse((step) => meetAt(nthStatement(step), 'end'))
    return meetAt(nthStatement(1, { kind: COMMIT }), 'request')
  })
}

async function eachUntilFalse(act: (count: number) => Promise<boolean>): Promise<void> {
  for (let count = 1; await act(count);) count += 1
}

function scenes(
  t: ExecutionContext,
  prepare: (scene: Scene) => Promise<Request>,
  { happen, undo, asks, isOvertaken, isForGood }: End,
): (count: number, meeting: Meeting, until: 'request' | 'end') => Promise<boolean> {
  let cast: Promise<[TestClient, Scene['person']]> | undefined

  /** @returns whether the request, or the end, came to its barrier */
  return async (count, { request: barrier, end: brake }, until) => {
    if (isForGood) cast = undefined
    const [client, person] = await (cast ??= Promise.all([buildClient(rig.db), buildUser(rig.db)]))
    const server = rig.servers[count % 2]!
    const scene = { client, person, visitor: new Visitor(rig.issuer, [server.url]), instance: server.url }
    await rig.db.knex('login_throttles').delete()
    const request = await prepare(scene)
    server.proxy.hold(barrier)
    operator.proxy.hold(brake)
    const going = request().finally(() => barrier.open())
    const isReached = await barrier.arrived(1)
    const ended = happen(scene).finally(() => brake.open())
    await doneOrBlocked(Promise.race([ended, brake.arrived(1)]))
    const place = [barrier, brake].map(({ held }) => held[0]?.trim().slice(0, 200)).join(' / ')
    const isBraked = brake.held.length > 0
    await barrier.open()
    await doneOrBlocked(going)
    await brake.open()

    const [outcome] = await Promise.all([going, ended])
    t.true(outcome.status < 500, place)
    if (await isOvertaken?.(scene)) await happen(scene)
    await assertDead(t, scene, outcome, { place, asks })
    await undo?.(scene)
    if (undo) await assertDead(t, scene, outcome, { place: `${place}, undone`, asks })
    return until === 'request' ? isReached : isBraked
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
