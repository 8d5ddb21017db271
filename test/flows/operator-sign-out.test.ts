import test from 'ava'
import { signOutEveryone, signOutUser } from '../../src/registry/users/sign-out.ts'
import { startAuthServer } from '../support/auth-server.ts'
import { buildClient, buildUser } from '../support/registry.ts'
import { redeem, refresh, Visitor } from '../support/visitor.ts'

test('an operator signs out one person, or everyone, and the accounts stay open', async (t) => {
  const { issuer, db } = await startAuthServer(t)
  const client = await buildClient(db, { kind: 'native', redirectUris: ['com.example.app:/callback'], access: [] })
  const people = await Promise.all([buildUser(db), buildUser(db)])
  const open = async (person: (typeof people)[number]) => {
    const visitor = new Visitor(issuer)
    const { body } = await redeem(issuer, client, await visitor.authorize(client, person))
    return { visitor, token: body.refresh_token }
  }
  const isOut = async ({ visitor, token }: Awaited<ReturnType<typeof open>>) => [
    /name="password"/.test((await visitor.open('/account')).html),
    (await refresh(issuer, client, token)).status === 400,
  ]
  const [ada, bob] = [await open(people[0]!), await open(people[1]!)]

  t.deepEqual(await signOutUser(db.knex, { userId: people[0]!.id, actor: 'test' }), {
    sessionsEnded: 1,
    grantsRevoked: 1,
  })
  t.deepEqual(await isOut(ada), [true, true])
  t.deepEqual(await isOut(bob), [false, false])
  t.deepEqual(await signOutUser(db.knex, { userId: people[0]!.id, actor: 'test' }), {
    sessionsEnded: 0,
    grantsRevoked: 0,
  })

  await open(people[0]!)
  t.like(await signOutEveryone(db.knex, { actor: 'test' }), { users: 2, sessionsEnded: 2 })
  t.deepEqual(await isOut(bob), [true, true])
  t.truthy((await open(people[1]!)).token, 'the account is open')
  t.is((await db.knex('audit_log').where({ action: 'user.sign_out' })).length, 3)
})
