/** Afterwards: what was acknowledged is held against what is there. */
import type { Database } from '../../src/database/connect.ts'
import { createBalancer } from './http.ts'
import { givenTwice, isFailure, isGood, type Ledger } from './ledger.ts'
import { exchangeOf, formOf, type World } from './load.ts'

export interface Verdict {
  acknowledged: number
  /** Of these, what was still there. */
  survived: number
  lost: number
  /** Tokens, codes and idempotency keys that led to two different things. */
  usedTwice: number
  /** Families that a good client lost, because what it sent again came too late. */
  ended: number
  /** Requests that failed, all in all. */
  failed: number
}

/** So many of a kind are tried, the last ones: those that the fault was nearest to. */
const SAMPLE = 12

export async function verify(world: World, db: Pick<Database, 'knex'>, ledger: Ledger): Promise<Verdict> {
  const { issuer, instances, web } = world
  const balancer = createBalancer(issuer, instances)
  const acknowledged = ledger.outcomes.filter(isGood).length
  let lost = 0

  for (const { current, isEnded } of ledger.chains) {
    if (isEnded) continue
    const { status } = await balancer.send(
      '/token',
      formOf(web, { grant_type: 'refresh_token', refresh_token: current }),
    )
    if (status !== 200) lost += 1
  }
  for (const refreshToken of sureTokens(ledger).slice(-SAMPLE)) {
    const { body } = await balancer.send('/introspect', formOf(web, { token: refreshToken }))
    if ((JSON.parse(body) as { active?: boolean }).active !== true) lost += 1
  }
  const ids = [...ledger.created.values()].flatMap((set) => [...set])
  const found = await db.knex('clients').whereIn('id', ids)
  lost += ids.length - found.length

  // Last, because it ends their families.
  let usedTwice = givenTwice(ledger)
  for (const redemption of ledger.redemptions.filter(({ answers }) => answers.size > 0).slice(-SAMPLE)) {
    const { status } = await balancer.send('/token', formOf(web, exchangeOf(web, redemption)))
    if (status < 400) usedTwice += 1
  }
  const names = await db.knex('clients').where('name', 'like', `App ${process.pid}-%`).groupBy('name').having(db.knex.raw('count(*) > 1')).pluck('name') // prettier-ignore
  usedTwice += names.length
  balancer.close()
  const failed = ledger.outcomes.filter(isFailure).length
  const ended = ledger.chains.filter((chain) => chain.isEnded).length
  return { acknowledged, survived: acknowledged - lost, lost, usedTwice, ended, failed }
}

/** Refresh tokens of codes that no later repetition of a code has put in doubt: all come from one browser, and so of one family. */
function sureTokens({ redemptions }: Ledger): string[] {
  const lastDoubt = Math.max(0, ...redemptions.filter(({ isRepeated }) => isRepeated).map(({ at }) => at))
  return redemptions.filter(({ at }) => at > lastDoubt).flatMap(({ answers }) => [...answers])
}
