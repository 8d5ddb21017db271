/**
 * A proxy between one server process and PostgreSQL. It reads what the server says and decides when, and whether, it arrives:
 * every statement late; some held at a barrier until others have come; exactly so many messages, and then the server is killed.
 * What the server is and what its statements mean, it does not know.
 *
 * A statement reaches PostgreSQL as one message (Query) or as several (Parse, Bind, Describe, Execute, Sync), of which the
 * last commits. Those, and Close, are what is counted; a connection's start and end are not, and neither is Parse: whether a
 * named statement needs one depends on which connection it gets, and it changes nothing.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Teardown } from '../support/database.ts'
import type { Barrier, Moment } from './barrier.ts'
import { asksForEncryption, FLUSH, frameReader, statementReader, type Frame } from './frames.ts'

/** One message from the server to the database. */
export interface Message {
  /** Its letter: Query, Bind, Describe, Execute, Sync or Close. */
  kind: string
  /** The text of the statement that it belongs to. */
  statement: string
}

export interface Death {
  /** Whether it has come to that. */
  readonly happened: boolean
  /** Resolves when the process has ended and its connections are cut. */
  done: Promise<void>
}

export interface DeathWarrant {
  /** How many messages still reach the database. */
  messages: number
  /**
   * `withheld`: the server dies before it hears what the last of them led to, though the database has done it.
   * `delivered`: it hears that, and dies when it wants to say more.
   */
  answer: 'withheld' | 'delivered'
  /** Counting begins with the first statement that fits; by default with the next message. */
  from?: (statement: string) => boolean
  /** Kills the process and resolves when it is gone. */
  kill(): Promise<void>
}

export interface DatabaseProxy {
  /** Connection string of the database behind this proxy. */
  url: string
  /** What every statement waits for before it is passed on. */
  delayMs: number
  hold(barrier: Barrier): void
  /** Starts a list of the messages passed on from now on. */
  record(): Message[]
  killAfter(warrant: DeathWarrant): Death
}

const COUNTED = 'QBDESC'
/** The answers that show that a message was done, whatever came of it. */
const DONE: Record<string, string> = { Q: 'Z', S: 'Z', B: '2E', D: 'TnE', E: 'CIsE', C: '3E' }
/** A statement may wait for a lock that somebody else holds: it is not waited for longer than this. */
const PATIENCE_MS = 1_000

function isCounted({ kind }: Frame): boolean {
  return kind !== '' && COUNTED.includes(kind)
}

/** Where a message stands. */
interface Place {
  statement: string
  begins: boolean
}

interface Link {
  server: Socket
  database: Socket
  /** Resolves at the next answer of one of these kinds. */
  heard(kinds: string): Promise<void>
}

export interface ProxyOptions {
  /** Statements that a process says by itself, whatever is asked of it: passed on at once, and not counted. */
  isBackground?: (statement: string) => boolean
}

export async function startDatabaseProxy(
  t: Teardown,
  target: string,
  { isBackground = () => false }: ProxyOptions = {},
): Promise<DatabaseProxy> {
  const { host, port, user, password, database } = new pg.Client({ connectionString: target })
  const links = new Set<Link>()
  const barriers = new Set<Barrier>()
  const recordings: Message[][] = []
  let warrant: { order: DeathWarrant; left: number; counting: boolean; execute(): void } | undefined
  /** Nothing passes any more: the process is being killed. */
  let isShut = false

  const listener = createServer((server) => {
    const upstream = connect(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port })
    const link = { server, database: upstream, heard: () => Promise.resolve() } satisfies Link
    links.add(link)
    const cut = () => {
      server.destroy()
      upstream.destroy()
      links.delete(link)
    }
    for (const socket of [server, upstream]) socket.on('error', cut).on('close', cut).setNoDelay(true)
    passAnswers(link)
    passMessages(link)
  })

  function passAnswers(link: Link): void {
    const ears = new Set<{ kinds: string; resolve: () => void }>()
    const read = frameReader({ startup: false })
    link.heard = (kinds) => new Promise((resolve) => ears.add({ kinds, resolve }))
    link.database.on('data', (chunk: Buffer) => {
      const kinds = read(chunk).map(({ kind }) => kind)
      if (!isShut) link.server.write(chunk)
      for (const ear of ears) {
        if (!kinds.some((kind) => ear.kinds.includes(kind))) continue
        ears.delete(ear)
        ear.resolve()
      }
    })
  }

  function passMessages(link: Link): void {
    const read = frameReader({ startup: true })
    const readStatement = statementReader()
    const queue: Frame[] = []
    let isPassing = false
    link.server.on('data', (chunk: Buffer) => {
      for (const frame of read(chunk)) {
        if (asksForEncryption(frame)) link.server.write('N')
        else queue.push(frame)
      }
      if (!isPassing) void passQueue()
    })

    async function passQueue(): Promise<void> {
      isPassing = true
      for (let frame = queue.shift(); frame; frame = queue.shift()) {
        const isStatement = frame.kind === 'P' || isCounted(frame)
        const place = isStatement ? readStatement(frame) : undefined
        if (place && !isBackground(place.statement)) await pass(link, frame, place)
        else if (!isShut || !place) link.database.write(frame.bytes)
      }
      isPassing = false
    }
  }

  async function pass(link: Link, frame: Frame, { statement, begins }: Place): Promise<void> {
    const { kind, bytes } = frame
    if (begins && proxy.delayMs > 0) await delay(proxy.delayMs)
    if (begins) await stop(link, statement, 'begin')
    if (kind === 'S') await stop(link, statement, 'commit')
    if (isShut) return
    if (!isCounted(frame)) return void link.database.write(bytes)
    const left = countDown(statement)
    if (left < 0) return warrant?.execute()
    for (const recording of recordings) recording.push({ kind, statement })
    if (left > 0 || warrant?.order.answer === 'delivered') {
      link.database.write(bytes)
      return
    }
    isShut = true
    await say(link, Buffer.concat([bytes, FLUSH]), kind)
    warrant?.execute()
  }

  /** How many messages the server may still say after this one. */
  function countDown(statement: string): number {
    if (!warrant) return Infinity
    warrant.counting ||= warrant.order.from?.(statement) ?? true
    if (warrant.counting) warrant.left -= 1
    return warrant.counting ? warrant.left : Infinity
  }

  /** Waits where a barrier holds this statement at this moment. */
  async function stop(link: Link, statement: string, moment: Moment): Promise<void> {
    for (const barrier of barriers) {
      if (!barrier.matches(statement, moment)) continue
      if (moment === 'commit') await say(link, FLUSH, 'E')
      const answer = Promise.withResolvers<void>()
      await barrier.wait(statement, answer.promise)
      void link.heard('Z').then(answer.resolve)
    }
  }

  /** Sends what ends with a message of this kind, and waits until the database has done that. */
  async function say(link: Link, bytes: Buffer, kind: string): Promise<void> {
    const done = link.heard(DONE[kind] ?? 'Z')
    link.database.write(bytes)
    await Promise.race([done, delay(PATIENCE_MS)])
  }

  function killAfter(order: DeathWarrant): Death {
    const end = Promise.withResolvers<void>()
    let happened = false
    const execute = () => {
      if (happened) return
      happened = true
      isShut = true
      void order.kill().then(() => {
        for (const { server, database: upstream } of links) {
          server.destroy()
          upstream.destroy()
        }
        end.resolve()
      }, end.reject)
    }
    warrant = { order, left: order.messages, counting: false, execute }
    return {
      get happened() {
        return happened
      },
      done: end.promise,
    }
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port: own } = listener.address() as { port: number }
  t.teardown(async () => {
    isShut = true
    for (const link of links) link.server.destroy()
    await new Promise((resolve) => listener.close(resolve))
  })

  const credentials = `${encodeURIComponent(user ?? '')}:${encodeURIComponent(password ?? '')}`
  const proxy: DatabaseProxy = {
    url: `postgresql://${credentials}@127.0.0.1:${own}/${database ?? ''}`,
    delayMs: 0,
    hold: (barrier) => void barriers.add(barrier),
    record() {
      const recording: Message[] = []
      recordings.push(recording)
      return recording
    },
    killAfter,
  }
  return proxy
}
