/**
 * Structured logs: one JSON object a line on standard output. `telemetry` knows of no other part of Grantry; parts call it.
 * Bearer values never belong in a log line; the redaction list is the second net, not the first.
 */
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino'

export type Logger = PinoLogger
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

const SECRET_NAMES = [
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
]

/** @param destination where the lines go; standard output when left out */
export function createLogger({ level, destination }: { level: LogLevel; destination?: DestinationStream }): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_NAMES.flatMap((name) => [quote(name), `*${quote(name)}`]), censor: '[redacted]' },
  }
  return destination ? pino(options, destination) : pino(options)
}

function quote(name: string): string {
  return `["${name}"]`
}
