/** Refresh against revocation, two processes, every statement 20 ms late, begun at every distance from one another. */
import { deepEqual } from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { withdrawConsent } from '../../src/registry/consents/withdraw.ts'
import { fileTeardown, internalErrors, tally } from '../races/pair.ts'
import { buildClient, buildResource, buildUser } from '../support/registry.ts'
import { redeem, refresh, Visitor, type TokenResponse } from '../support/visitor.ts'
import { DELAY_MS, races, startRig, tell, type Rig } from './rig.ts'

const file = fileTeardown()
const LANES = 6
let rig: Rig

test.before(async () => {
  rig = await startRig(file)
  await buildResource(rig.db)
  rig.slowDown(DELAY_MS)
})
test.after('no request ended in an internal error', () => deepEqual(internalErrors(rig), []))
test.after.always(() => file.end())

/** Which of a family's tokens is revoked; or the person takes back what was allowed. */
const WAYS = ['refresh token', 'access token', 'consent'] as const

test(`${races} races of a refresh against a revocation: nothing that was returned works, and no row is left`, async (t) => {
  t.timeout(1_200_000)
  const outcomes: TokenResponse[] = []
  let next = 0
  const lane = async () => {
    const [client, person] = [await buildClient(rig.db, { firstParty: true }), await buildUser(rig.db)]
    const visitor = new Visitor(rig.issuer, rig.instances)
    for (let race = next++; race < races; race = next++) {
      const way = WAYS[race % WAYS.length]!
      const [here, there] = race % 2 ? rig.instances : (rig.instances.toReversed() as [string, string])
      const answer = await visitor.authorize(client, person, { scope: 'openid' })
      const { body } = await redeem(rig.issuer, client, answer, here)

      const revoke = async () => {
        if (way === 'consent') {
          await withdrawConsent(rig.db.knex, { userId: person.id, clientId: client.client_id, actor: person.id })
          return
        }
        const value = way === 'refresh token' ? body.refresh_token : body.access_token
        t.is((await tell(rig, there, 'revoke', client, value)).status, 200)
      }
      // A refresh says about seven things to the database, a revocation about four: sweep the one over the other.
      const distance = ((race * 7) % 13) * DELAY_MS - 4 * DELAY_MS
      const [refreshed] = await Promise.all([
        delay(Math.max(0, -distance)).then(() => refresh(rig.issuer, client, body.refresh_token, {}, here)),
        delay(Math.max(0, distance)).then(revoke),
      ])
      outcomes.push(refreshed)

      for (const value of new Set([body.refresh_token, refreshed.body.refresh_token ?? body.refresh_token])) {
        t.is((await refresh(rig.issuer, client, value, {}, there)).body.error, 'invalid_grant', `race ${race}, ${way}`)
      }
      for (const value of [body.access_token, refreshed.body.access_token].filter(Boolean)) {
        t.is((await tell(rig, here, 'introspect', client, value)).active, false, `race ${race}, ${way}`)
      }
      const left = await rig.db.knex('grants').where({ user_id: person.id })
      t.deepEqual(left, [], `race ${race}, ${way}`)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  const counts = tally(outcomes)
  t.is(outcomes.length, races)
  t.deepEqual(
    Object.keys(counts).sort(),
    ['200', 'invalid_grant'],
    'both came first at times, and nothing else happened',
  )
  t.log(counts)
  t.deepEqual(await rig.db.knex('refresh_tokens').select('grant_id'), [])
})
