import type { Readable } from 'node:stream'

/** What a command touches of the process it runs in. */
export interface Terminal {
  env: Record<string, string | undefined>
  stdin: Readable
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream
}

/** A fault of the person at the keyboard, or one that they can mend: its message is one line. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** The command was told to stop (Ctrl-C, SIGTERM). */
export class Interrupted extends Error {
  override name = 'Interrupted'

  constructor() {
    super('interrupted')
  }
}

const LONGEST_LINE = 4096

/**
 * The first line of standard input, without its end.
 * @throws UsageError when there is none, or it is no UTF-8 text
 */
export async function readLine(stdin: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    if (chunk.includes('\n') || Buffer.concat(chunks).length > LONGEST_LINE) break
  }
  stdin.destroy()
  const bytes = Buffer.concat(chunks)
  const end = bytes.indexOf('\n')
  const line = decode(end < 0 ? bytes : bytes.subarray(0, end)).replace(/\r$/, '')
  if (line === '') throw new UsageError('there is nothing on standard input')
  if (line.length > LONGEST_LINE) throw new UsageError('the line on standard input is too long')
  return line
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new UsageError('standard input is not UTF-8 text')
  }
}
