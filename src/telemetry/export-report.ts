import type { SpanExporter } from '@opentelemetry/sdk-trace-base'
import type { Logger } from './logger.ts'

const SUCCESS = 0

/** An exporter whose failures are told once, and their end: a collector that is away for an hour is one line and no flood. */
export function reportingExporter(exporter: SpanExporter, log: Pick<Logger, 'warn' | 'info'>): SpanExporter {
  let failing = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const fails = (result.code as number) !== SUCCESS
        if (fails && !failing) log.warn({ reason: result.error?.message }, 'traces can not be sent; they are dropped')
        if (!fails && failing) log.info('traces are sent again')
        failing = fails
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  }
}
