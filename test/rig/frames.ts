/** Messages of PostgreSQL's protocol 3 (PostgreSQL documentation, "Message Formats"), cut out of a stream of bytes. */

export interface Frame {
  /** The letter that a message begins with; empty for those of a connection's start, which have none. */
  kind: string
  bytes: Buffer
}

const ENCRYPTION_REQUESTS = new Set([80_877_103, 80_877_104])

/** Takes bytes as they come, gives whole messages. `startup` when the stream begins with messages without a letter. */
export function frameReader({ startup }: { startup: boolean }): (chunk: Buffer) => Frame[] {
  let rest: Buffer = Buffer.alloc(0)
  let lettered = !startup
  return (chunk) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    const frames: Frame[] = []
    for (;;) {
      const head = lettered ? 1 : 0
      if (rest.length < head + 4) return frames
      const end = head + rest.readInt32BE(head)
      if (rest.length < end) return frames
      const frame = { kind: lettered ? String.fromCharCode(rest[0]!) : '', bytes: rest.subarray(0, end) }
      frames.push(frame)
      rest = rest.subarray(end)
      lettered ||= !asksForEncryption(frame)
    }
  }
}

/** SSLRequest or GSSENCRequest: answered with one byte, after which the connection's start begins anew. */
export function asksForEncryption({ kind, bytes }: Frame): boolean {
  return kind === '' && ENCRYPTION_REQUESTS.has(bytes.readInt32BE(4))
}

/** Flush: the database sends what it has to say so far. */
export const FLUSH = Buffer.from([0x48, 0, 0, 0, 4])

/** Knows the texts of one connection's prepared statements, and so the statement that each message belongs to. */
export function statementReader(): (frame: Frame) => { statement: string; begins: boolean } {
  const texts = new Map<string, string>()
  let statement = ''
  let previous = ''
  return ({ kind, bytes }) => {
    const begins = kind === 'Q' || kind === 'P' || (kind === 'B' && previous !== 'P')
    previous = kind
    const [first = '', second = ''] = 'QPB'.includes(kind) ? strings(bytes) : []
    if (kind === 'Q') statement = first
    if (kind === 'P') texts.set(first, (statement = second))
    if (kind === 'B') statement = texts.get(second) ?? ''
    return { statement, begins }
  }
}

/** The first two zero-ended strings of a lettered message. */
function strings(bytes: Buffer): [string, string] {
  const middle = bytes.indexOf(0, 5)
  const end = bytes.indexOf(0, middle + 1)
  return [bytes.toString('utf8', 5, middle), bytes.toString('utf8', middle + 1, end < 0 ? bytes.length : end)]
}
