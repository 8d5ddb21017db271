/**
 * Traces: which part of a request took how long, told to a collector of the operator's (OpenTelemetry). Without one nothing of
 * this is loaded, and a request only gets its trace id. Spans hold route templates, statuses, names of statements, client ids:
 * no path as it came, no query, no value of a statement, no person.
 */
import type { Logger } from './logger.ts'
import type { TraceParent } from './trace-context.ts'

export type SpanValue = string | number | boolean

/** How a span is told of what happened in it. */
export interface Span {
  set(name: string, value: SpanValue): void
  /** It did not go well. @param reason a word of ours: never a message, which may hold anything */
  fail(reason: string): void
}

/** The span of a request that came in. */
export interface RequestSpan extends Span {
  traceId: string
  /** Everything that is begun in here is a part of the request. */
  run<T>(work: () => Promise<T>): Promise<T>
  /** @param route a template; names the span together with the method */
  end(answer: { method: string; route: string; status: number }): void
}

export interface Tracing {
  /** @param caller what its headers said; undefined: nothing valid */
  begin(caller: TraceParent | undefined, tracestate: string | undefined): RequestSpan
  /** A part of what is under way, or the beginning of something else. A rejection is told of by the error's name. */
  span<T>(options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>
  /** Whether there is something under way that a part can belong to. */
  isInside(): boolean
  /** Keeps a callback with what is under way now, whoever calls it. */
  bind<F extends (...args: never[]) => unknown>(callback: F): F
  /** For a request of ours to whom may know: `traceparent` and `tracestate`. Empty outside of everything. */
  headers(): Record<string, string>
  /** Sends what is left, for two seconds at most. */
  stop(): Promise<void>
}

export interface SpanOptions {
  name: string
  kind?: 'internal' | 'client'
  attributes?: Readonly<Record<string, SpanValue>>
}

export interface TracingOptions {
  /** Of the collector, without `/v1/traces`. */
  endpoint: string
  headers: Readonly<Record<string, string>>
  serviceName: string
  version: string
  parentBased: boolean
  /** From 0 to 1. */
  ratio: number
  log: Logger
}

/** @returns undefined unless there is a collector */
export async function createTracing(options: TracingOptions | undefined): Promise<Tracing | undefined> {
  if (!options) return undefined
  // A sixth of a second of a start, which only those pay who want it.
  const { createOtlpTracing } = await import('./otlp.ts')
  return createOtlpTracing(options)
}
