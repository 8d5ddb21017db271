/** Many requests at a fixed rate, whatever becomes of those before: raw HTTP on connections of its own, cheap for the sender. */
import { connect, type Socket } from 'node:net'

export interface Answered {
  status: number
  /** From when it was due to its answer. */
  ms: number
  retryAfter: string | undefined
}

export interface Flood {
  /** Sends so many in a second, for so long. @returns every answer, and how many were sent */
  at(perSecond: number, forMs: number): Promise<{ sent: number; answered: Answered[]; unanswered: number }>
  /** So many at a time, one after the other, for so long. */
  closed(lanes: number, forMs: number): Promise<Answered[]>
  close(): void
}

interface Line {
  socket: Socket
  due: number
  done: ((answer: Answered | undefined) => void) | undefined
  text: string
}

const MOST_LINES = 2_000
const TICK_MS = 5

/** @param bytes one whole request, keep-alive */
export function createFlood(port: number, bytes: string): Flood {
  const free: Line[] = []
  const all = new Set<Line>()

  function open(): Line {
    const line: Line = {
      socket: connect({ port, host: '127.0.0.1', noDelay: true }),
      due: 0,
      done: undefined,
      text: '',
    }
    all.add(line)
    line.socket.setEncoding('latin1')
    line.socket.on('data', (chunk: string) => {
      line.text += chunk
      const answer = parse(line.text)
      if (!answer) return
      line.text = ''
      const { done } = line
      line.done = undefined
      free.push(line)
      done?.({ ...answer, ms: performance.now() - line.due })
    })
    line.socket.on('error', () => undefined)
    line.socket.on('close', () => {
      all.delete(line)
      const index = free.indexOf(line)
      if (index >= 0) free.splice(index, 1)
      line.done?.(undefined)
    })
    return line
  }

  function send(due: number): Promise<Answered | undefined> {
    const line = free.pop() ?? (all.size < MOST_LINES ? open() : undefined)
    // The sender has no more to send with: that is an answer that never came.
    if (!line) return Promise.resolve(undefined)
    line.due = due
    return new Promise((resolve) => {
      line.done = resolve
      line.socket.write(bytes)
    })
  }

  return {
    async at(perSecond, forMs) {
      const answers: Promise<Answered | undefined>[] = []
      const began = performance.now()
      for (let now = began; now < began + forMs; now = performance.now()) {
        const due = Math.floor(((now - began) / 1000) * perSecond)
        while (answers.length < due) answers.push(send(now))
        await new Promise((resolve) => setTimeout(resolve, TICK_MS))
      }
      const settled = await Promise.all(answers)
      const answered = settled.filter((answer) => answer !== undefined)
      return { sent: settled.length, answered, unanswered: settled.length - answered.length }
    },
    async closed(lanes, forMs) {
      const answers: Answered[] = []
      const end = performance.now() + forMs
      const lane = async () => {
        while (performance.now() < end) {
          const answer = await send(performance.now())
          if (answer) answers.push(answer)
        }
      }
      await Promise.all(Array.from({ length: lanes }, lane))
      return answers
    },
    close() {
      for (const { socket } of all) socket.destroy()
    },
  }
}

/** One whole answer with a length, or nothing yet. */
function parse(text: string): Pick<Answered, 'status' | 'retryAfter'> | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
  if (length !== undefined && text.length < end + 4 + Number(length)) return undefined
  if (length === undefined && !text.endsWith('0\r\n\r\n')) return undefined
  return { status: Number(head.slice(9, 12)), retryAfter: /\r\nretry-after: (\d+)/i.exec(head)?.[1] }
}
