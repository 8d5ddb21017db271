/**
 * What a server does all day, in small: tokens for services, chains of refreshes, sign-ins with their codes, and writes to the
 * registry that are sent again until they are answered. Whatever happens meanwhile, the clients behave as good ones do: no
 * answer or 5xx means the same request once more.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { TestClient } from '../support/registry.ts'
import type { Visitor } from '../support/visitor.ts'
import { createBalancer, type Balancer, type Reply, type Sending } from './http.ts'
import { add, emptyLedger, isFailure, isGood, type Chain, type Ledger, type Redemption } from './ledger.ts'

export interface World {
  issuer: string
  /** Where the instances listen. */
  instances: readonly string[]
  service: TestClient
  web: TestClient
  person: { username: string; password: string }
  /** Signed in. Each has families of its own, which have nothing to do with those of another. */
  browsers: readonly Visitor[]
  apiKey: string
}

export interface Load {
  ledger: Ledger
  /** Until each kind of request succeeded so often from now on. */
  succeed(times: number, patienceMs?: number): Promise<void>
  /**
   * Until nothing failed for so long and every kind succeeded in that time.
   * @returns how long after `since` the last failure was, in milliseconds; 0 for none
   */
  steady(since: number, calmMs: number, patienceMs: number): Promise<number>
  stop(): Promise<void>
}

export const KINDS = ['client_credentials', 'refresh_token', 'authorization_code', 'registry'] as const
const CHAINS = 4
export const BROWSERS = CHAINS + 1
const SERVICES = 3
const WRITERS = 2
/** Between two requests of one worker. */
const PACE_MS = 150
const FORM = 'application/x-www-form-urlencoded'

export async function startLoad(world: World): Promise<Load> {
  const { issuer, instances, service, web, apiKey } = world
  const balancer = createBalancer(issuer, instances)
  const ledger = emptyLedger()
  const stopping = new AbortController()
  const { signal } = stopping
  const browser = world.browsers.at(-1)!

  /** One request, noted. */
  async function ask(kind: string, path: string, sending: Sending): Promise<Reply> {
    const began = performance.now()
    const reply = await balancer.send(path, sending)
    const at = performance.now()
    const retryAfter = reply.headers['retry-after'] as string | undefined
    ledger.outcomes.push({ at, kind, status: reply.status, ms: at - began, retryAfter })
    return reply
  }

  const token = (kind: string, client: TestClient, parameters: Record<string, string>) =>
    ask(kind, '/token', formOf(client, parameters))

  async function work(act: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await act()
      await delay(PACE_MS * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined)
    }
  }

  async function serve(): Promise<void> {
    await token('client_credentials', service, { grant_type: 'client_credentials' })
  }

  async function refresh(chain: Chain): Promise<void> {
    if (chain.isEnded) return
    const used = chain.current
    const { status, body } = await token('refresh_token', web, { grant_type: 'refresh_token', refresh_token: used })
    if (status === 400) chain.isEnded = true
    if (status !== 200) return
    chain.current = (JSON.parse(body) as { refresh_token: string }).refresh_token
    add(ledger.successors, used, chain.current)
  }

  async function signIn(): Promise<void> {
    const answer = await browser.authorize(web, world.person).catch(() => undefined)
    // No code: the person tries again, and nothing was promised.
    if (!answer?.code) return
    const redemption: Redemption = { code: answer.code, verifier: answer.verifier, answers: new Set(), isRepeated: false, at: 0 } // prettier-ignore
    ledger.redemptions.push(redemption)
    for (;;) {
      const reply = await token('authorization_code', web, exchangeOf(web, redemption))
      if (reply.status === 200)
        redemption.answers.add((JSON.parse(reply.body) as { refresh_token: string }).refresh_token)
      redemption.at = performance.now()
      if (reply.status !== 0 && reply.status < 500) return
      if (signal.aborted) return
      redemption.isRepeated = true
      await delay(PACE_MS)
    }
  }

  async function write(): Promise<void> {
    const key = `${process.pid}-${randomUUID()}`
    const name = `App ${key}`
    const headers = {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': `"${key}"`,
    }
    const body = JSON.stringify({ kind: 'service', name })
    for (;;) {
      const reply = await ask('registry', '/api/v1/clients', { method: 'POST', headers, body })
      if (reply.status === 201) add(ledger.created, name, (JSON.parse(reply.body) as { id: string }).id)
      // 409: somebody still works on it, an instance that is dead perhaps; until its lease is over there is no answer.
      if ((reply.status !== 0 && reply.status < 500) || signal.aborted) return
      await delay(PACE_MS)
    }
  }

  ledger.chains.push(
    ...(await Promise.all(world.browsers.slice(0, CHAINS).map((own) => beginChain(world, own, balancer)))),
  )
  const workers = [
    ...Array.from({ length: SERVICES }, () => work(serve)),
    ...ledger.chains.map((chain) => work(() => refresh(chain))),
    work(signIn),
    ...Array.from({ length: WRITERS }, () => work(write)),
  ]

  const from = (time: number) => ledger.outcomes.filter(({ at }) => at >= time)
  async function wait(isOver: () => boolean, patienceMs: number, what: string): Promise<void> {
    for (const deadline = performance.now() + patienceMs; !isOver(); await delay(25)) {
      if (performance.now() > deadline) throw new Error(`${what}: not within ${patienceMs} ms: ${summary(ledger)}`)
    }
  }
  const succeeded = (time: number, times: number) => KINDS.every((kind) => from(time).filter((one) => one.kind === kind && isGood(one)).length >= times) // prettier-ignore

  return {
    ledger,
    async succeed(times, patienceMs = 20_000) {
      const began = performance.now()
      await wait(() => succeeded(began, times), patienceMs, 'every kind of request succeeds')
    },
    async steady(since, calmMs, patienceMs) {
      const lastFailure = () =>
        Math.max(
          since,
          ...from(since)
            .filter(isFailure)
            .map(({ at }) => at),
        )
      const isCalm = () => performance.now() - lastFailure() >= calmMs && succeeded(lastFailure(), 1)
      await wait(isCalm, patienceMs, 'no request fails any more')
      return lastFailure() - since
    },
    async stop() {
      stopping.abort()
      await Promise.all(workers)
      balancer.close()
    },
  }
}

/** The last requests, for whoever looks for the reason. */
function summary({ outcomes }: Ledger): string {
  return outcomes.slice(-12).map(({ kind, status, ms }) => `${kind} ${status} in ${Math.round(ms)} ms`).join(', ') // prettier-ignore
}

export function formOf({ client_id, client_secret }: TestClient, parameters: Record<string, string>): Sending {
  const headers = { 'content-type': FORM, authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` }
  return { method: 'POST', headers, body: new URLSearchParams(parameters).toString() }
}

export function exchangeOf(web: TestClient, { code, verifier }: Pick<Redemption, 'code' | 'verifier'>) {
  return { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: web.redirect_uri }
}

async function beginChain({ web, person }: World, browser: Visitor, balancer: Balancer): Promise<Chain> {
  const { code, verifier } = await browser.authorize(web, person)
  const { status, body } = await balancer.send('/token', formOf(web, exchangeOf(web, { code: code!, verifier })))
  if (status !== 200) throw new Error(`a chain can't begin: ${status} ${body}`)
  return { current: (JSON.parse(body) as { refresh_token: string }).refresh_token, isEnded: false }
}
