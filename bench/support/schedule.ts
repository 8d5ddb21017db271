/**
 * When requests begin. In a closed loop each client asks again as soon as it has its answer, so a slow server is asked less. In
 * an open loop requests arrive at a fixed rate whatever the server does, and the time that one waited for its turn belongs
 * to its latency: without that, one long pause would count as one slow request instead of all that it held up.
 */

export interface Clock {
  /** ms, of any origin. */
  now(): number
  /** Resolves so many ms later, or a little after. */
  sleep(ms: number): Promise<void>
}

export interface Arrivals {
  perSecond: number
  seconds: number
}

/**
 * Hands `perSecond × seconds` arrivals, evenly spaced, each to a client that is free, in the order in which they came.
 * @param begin starts one for this client, with the time when it was due
 */
export async function openLoop(
  { perSecond, seconds }: Arrivals,
  clients: number,
  begin: (client: number, due: number) => Promise<unknown>,
  clock: Clock,
): Promise<void> {
  const total = Math.floor(perSecond * seconds)
  const free = Array.from({ length: clients }, (_, index) => clients - 1 - index)
  const start = clock.now()
  const done = Promise.withResolvers<void>()
  let [arrived, begun, ended] = [0, 0, 0]
  const due = (index: number) => start + (index * 1000) / perSecond

  const fill = () => {
    while (begun < arrived && free.length > 0) {
      const client = free.pop()!
      void begin(client, due(begun++)).finally(() => {
        free.push(client)
        ended += 1
        if (ended === total) done.resolve()
        fill()
      })
    }
  }
  for (; arrived < total; fill()) {
    await clock.sleep(Math.max(0, due(arrived) - clock.now()))
    while (arrived < total && due(arrived) <= clock.now()) arrived += 1
  }
  fill()
  if (total > 0) await done.promise
}

/** Each client asks until `isOver`, or until it has nothing left to ask, of which `begin` tells by false. */
export async function closedLoop(
  clients: number,
  begin: (client: number) => Promise<boolean>,
  isOver: () => boolean,
): Promise<void> {
  const ask = async (client: number) => {
    while (!isOver() && (await begin(client)));
  }
  await Promise.all(Array.from({ length: clients }, (_, client) => ask(client)))
}
