/**
 * Structured logs: one JSON object a line on standard output, written beside the requests, those of one moment together. A
 * process that is killed loses the lines of its last moment (what must not be lost stands in the audit log), and one whose lines
 * nobody takes any more loses what is too much: it neither waits for its reader nor runs out of memory. Bearer values never belong in a log line; the
 * redaction list is the second net, not the first.
 */
import { pino, stdSerializers, type DestinationStream, type Logger as PinoLogger } from 'pino'

export type Logger = PinoLogger
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

const SECRET_NAMES: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'dpop',
  'password',
  'client_secret',
  'secret',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'code',
  'device_code',
  'user_code',
  'code_verifier',
])
const REDACTED = '[redacted]'

/** For what a child logger is bound to, which the formatters don't see. */
const BINDINGS = Object.fromEntries([...SECRET_NAMES].map((name) => [name, () => REDACTED]))

/** Codes of errors (ECONNRESET, 23505), which are no codes of OAuth. */
const ERROR_CODE = /^(?:[A-Z][A-Z_]{2,40}|[0-9A-Z]{5})$/

/** How deep a secret is looked for. */
const DEPTH = 3

/** Characters that wait while standard output takes none; lines beyond are dropped. */
const MOST_WAITING = 4 * 1024 * 1024
/** How long a line waits for others, ms: a write costs a thread's wake-up, which is more than all else about a line. */
const MOMENT_MS = 10
/** Characters that are a write of their own before that. */
const WORTH_WRITING = 8 * 1024

/** There is one, however many loggers. */
let output: ReturnType<typeof standardOutput> | undefined

/** @param destination where the lines go; standard output when left out */
export function createLogger({ level, destination }: { level: LogLevel; destination?: DestinationStream }): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: (facts: object) => redacted(facts) },
    serializers: { ...BINDINGS, err: shownError },
  }
  return pino(options, destination ?? (output ??= standardOutput()))
}

/** Written at the end of each moment that has lines, at once with a fatal one, and when the process ends. */
function standardOutput(): DestinationStream & { flushSync: () => void } {
  const { fd } = process.stdout
  const stream = pino.destination({ dest: fd, sync: false, minLength: WORTH_WRITING, maxLength: MOST_WAITING })
  // Its types leave this out. It ends itself when the process has nothing left to do.
  const isOver = () => (stream as unknown as { destroyed: boolean }).destroyed
  let lines = ''
  let moment: NodeJS.Timeout | undefined
  function handOver(): void {
    clearTimeout(moment)
    moment = undefined
    if (lines !== '' && !isOver()) stream.write(lines)
    lines = ''
  }
  function flush(): void {
    handOver()
    if (!isOver()) stream.flush()
  }
  function flushSync(): void {
    handOver()
    if (!isOver()) stream.flushSync()
  }
  process.once('exit', flushSync)
  return {
    write(line) {
      if (lines.length + line.length >= WORTH_WRITING) flush()
      lines += line
      moment ??= setTimeout(flush, MOMENT_MS)
    },
    flushSync,
  }
}

/**
 * The same without what bears a secret's name. Ten times cheaper than the logger's own redaction, which copies every line: the
 * request line is written for every token.
 */
function redacted(facts: object, depth = DEPTH): Record<string, unknown> {
  const given = facts as Record<string, unknown>
  let copy: Record<string, unknown> | undefined
  for (const name of Object.keys(given)) {
    const value = given[name]
    const shown = SECRET_NAMES.has(name) ? REDACTED : isNested(value) && depth > 0 ? redacted(value, depth - 1) : value
    if (shown !== value) (copy ??= { ...given })[name] = shown
  }
  return copy ?? given
}

function shownError(err: unknown): unknown {
  if (!(err instanceof Error)) return err
  const { code } = err as NodeJS.ErrnoException
  const shown = redacted(stdSerializers.err(err))
  return typeof code === 'string' && ERROR_CODE.test(code) ? { ...shown, code } : shown
}

/** Dates, buffers and errors have texts of their own. */
function isNested(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
