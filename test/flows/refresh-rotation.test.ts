import test from 'ava'
import { startAuthServer, type TestServer } from '../support/auth-server.ts'
import type { Teardown } from '../support/database.ts'
import { API, buildClient, buildResource, buildUser, type TestClient } from '../support/registry.ts'
import { redeem, refresh, Visitor } from '../support/visitor.ts'

interface Family {
  server: TestServer
  client: TestClient
  first: string
}

async function family(
  t: Teardown,
  environment: Record<string, string> = {},
  scope = 'openid orders:read orders:write',
): Promise<Family> {
  const server = await startAuthServer(t, environment)
  await buildResource(server.db)
  const person = await buildUser(server.db)
  const client = await buildClient(server.db, { kind: 'spa' })
  const answer = await new Visitor(server.issuer).authorize(client, person, { scope, resource: API })
  const { body } = await redeem(server.issuer, client, answer)
  return { server, client, first: body.refresh_token ?? '' }
}

/** As if the first use had been so long ago. */
async function age({ db }: TestServer, seconds: number): Promise<void> {
  await db
    .knex('refresh_tokens')
    .whereNotNull('consumed_at')
    .update({ consumed_at: db.knex.raw(`consumed_at - make_interval(secs => ${seconds})`) })
}

test('a refresh rotates the token', async (t) => {
  const { server, client, first } = await family(t)
  const { status, body } = await refresh(server.issuer, client, first)
  t.is(status, 200)
  t.truthy(body.refresh_token)
  t.not(body.refresh_token, first)
  t.is((await refresh(server.issuer, client, body.refresh_token)).status, 200)
})

test('a late duplicate inside the window gets the same successor', async (t) => {
  const { server, client, first } = await family(t)
  const answers = [await refresh(server.issuer, client, first)]
  for (const seconds of [2, 2, 2]) {
    await age(server, seconds)
    answers.push(await refresh(server.issuer, client, first))
  }
  t.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  )
  t.is(new Set(answers.map(({ body }) => body.refresh_token)).size, 1)
})

test('the window counts from the first use and does not slide', async (t) => {
  const { server, client, first } = await family(t)
  await refresh(server.issuer, client, first)
  await age(server, 6)
  t.is((await refresh(server.issuer, client, first)).status, 200)
  await age(server, 6)
  t.is((await refresh(server.issuer, client, first)).status, 400)
})

test('a reuse after the window revokes the family, writes one event and says so in the log', async (t) => {
  const { server, client, first } = await family(t)
  const { body } = await refresh(server.issuer, client, first)
  await age(server, 12)
  const replays = await Promise.all(Array.from({ length: 5 }, () => refresh(server.issuer, client, first)))
  t.true(replays.every((replay) => replay.body.error === 'invalid_grant'))
  t.is((await refresh(server.issuer, client, body.refresh_token)).body.error, 'invalid_grant')
  t.is((await server.db.knex('events').where({ type: 'refresh_token.reuse_detected' })).length, 1)
  t.is(server.logs.filter(({ event }) => event === 'refresh_token.reuse_detected').length, 1)
  t.is((await server.db.knex('refresh_tokens')).length, 0)
})

test('a duplicate after the successor was used gets nothing, and the family lives', async (t) => {
  const { server, client, first } = await family(t)
  const second = (await refresh(server.issuer, client, first)).body.refresh_token
  const third = (await refresh(server.issuer, client, second)).body.refresh_token
  t.is((await refresh(server.issuer, client, first)).body.error, 'invalid_grant')
  t.is((await refresh(server.issuer, client, third)).status, 200)
})

test('a duplicate that asks for something else is refused and leaves the winner alone', async (t) => {
  const { server, client, first } = await family(t)
  const winner = (await refresh(server.issuer, client, first)).body.refresh_token
  t.is((await refresh(server.issuer, client, first, { scope: 'orders:read' })).body.error, 'invalid_grant')
  t.is((await refresh(server.issuer, client, first, { resource: API })).body.error, 'invalid_grant')
  t.is((await refresh(server.issuer, client, winner)).status, 200)
})

test('another client that presents the token learns nothing and harms nothing', async (t) => {
  const { server, client, first } = await family(t)
  const thief = await buildClient(server.db, { kind: 'spa' })
  t.is((await refresh(server.issuer, thief, first)).body.error, 'invalid_grant')
  await refresh(server.issuer, client, first)
  await age(server, 12)
  const stolen = await refresh(server.issuer, thief, first)
  t.is(stolen.body.error, 'invalid_grant')
  t.is((await server.db.knex('grants')).length, 1, 'the family of the owner is alive')
})

test('a narrower scope is granted, a wider one is invalid_scope', async (t) => {
  const { server, client, first } = await family(t, {}, 'openid orders:read')
  t.is((await refresh(server.issuer, client, first, { scope: 'orders:read orders:write' })).body.error, 'invalid_scope')
  const { status, body } = await refresh(server.issuer, client, first, { scope: 'orders:read' })
  t.is(status, 200, JSON.stringify(body))
  t.is(body.scope, 'orders:read')
})

test('a refresh token ends when it is idle, and its family at the absolute limit', async (t) => {
  const { server, client, first } = await family(t, { REFRESH_IDLE_SECONDS: '100', REFRESH_ABSOLUTE_SECONDS: '150' })
  const lives = await server.db
    .knex('refresh_tokens')
    .first<{ left: number }>(server.db.knex.raw('extract(epoch from expires_at - now())::integer as left'))
  t.true(lives!.left <= 100 && lives!.left > 90)
  await server.db.knex.raw(
    `update grants set payload = jsonb_set(payload::jsonb, '{exp}', to_jsonb(extract(epoch from now())::integer + 40))::json`,
  )
  await refresh(server.issuer, client, first)
  const left = await server.db
    .knex('refresh_tokens')
    .whereNull('consumed_at')
    .first<{ left: number }>(server.db.knex.raw('extract(epoch from expires_at - now())::integer as left'))
  t.true(left!.left <= 40, 'never beyond what is left of the family')
})

test('no refresh token, access token or code is stored in the clear', async (t) => {
  const { server, client, first } = await family(t)
  const { body } = await refresh(server.issuer, client, first)
  const { rows } = await server.db.knex.raw<{ rows: { dump: string }[] }>(`
    select string_agg(t::text, '') as dump from (
      select refresh_tokens::text as t from refresh_tokens
      union all select artifacts::text from artifacts
      union all select grants::text from grants
      union all select sessions::text from sessions
      union all select events::text from events) as rows`)
  for (const secret of [first, body.refresh_token ?? '']) t.false(rows[0]!.dump.includes(secret))
})
