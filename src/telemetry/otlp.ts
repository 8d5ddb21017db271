/** Traces by the OpenTelemetry SDK. Nothing is registered globally: several servers in one process have a tracer each. */
import {
  createTraceState,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as OtelSpan,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type Sampler,
} from '@opentelemetry/sdk-trace-base'
import { reportingExporter } from './export-report.ts'
import type { Span, Tracing, TracingOptions } from './tracing.ts'

const TIMEOUT_MS = 5000
const STOP_MS = 2000
/** Spans that wait for the collector; beyond that they are dropped, for a request must not wait for anybody's traces. */
const MOST_WAITING = 8192

export function createOtlpTracing(options: TracingOptions): Tracing {
  const { serviceName, version, endpoint, headers, log } = options
  const sender = new OTLPTraceExporter({
    url: `${endpoint}/v1/traces`,
    headers: { ...headers },
    timeoutMillis: TIMEOUT_MS,
  })
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.version': version,
      'process.pid': process.pid,
    }),
    sampler: samplerOf(options),
    spanProcessors: [
      new BatchSpanProcessor(reportingExporter(sender, log), {
        maxQueueSize: MOST_WAITING,
        scheduledDelayMillis: 1000,
        exportTimeoutMillis: TIMEOUT_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('grantry', version)
  const contexts = new AsyncLocalStorageContextManager().enable()

  return {
    begin(caller, tracestate) {
      const parent = caller
        ? trace.setSpanContext(ROOT_CONTEXT, {
            traceId: caller.traceId,
            spanId: caller.spanId,
            isRemote: true,
            traceFlags: caller.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
            ...(tracestate ? { traceState: createTraceState(tracestate) } : {}),
          })
        : ROOT_CONTEXT
      const span = tracer.startSpan('request', { kind: SpanKind.SERVER }, parent)
      const inside = trace.setSpan(parent, span)
      return {
        ...told(span),
        traceId: span.spanContext().traceId,
        run: (work) => contexts.with(inside, work),
        end({ method, route, status }) {
          span.updateName(`${method} ${route}`)
          span.setAttribute('http.request.method', method)
          span.setAttribute('http.route', route)
          span.setAttribute('http.response.status_code', status)
          if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
    async span({ name, kind = 'internal', attributes = {} }, work) {
      const here = contexts.active()
      const spanKind = kind === 'client' ? SpanKind.CLIENT : SpanKind.INTERNAL
      const span = tracer.startSpan(name, { kind: spanKind, attributes }, here)
      try {
        return await contexts.with(trace.setSpan(here, span), () => work(told(span)))
      } catch (error) {
        told(span).fail(error instanceof Error ? error.name : 'error')
        throw error
      } finally {
        span.end()
      }
    },
    isInside: () => trace.getSpan(contexts.active()) !== undefined,
    bind: (callback) => contexts.bind(contexts.active(), callback),
    headers: () => headersOf(contexts.active()),
    async stop() {
      const timer = Promise.withResolvers<void>()
      const timeout = setTimeout(timer.resolve, STOP_MS)
      await Promise.race([provider.shutdown().catch(() => undefined), timer.promise])
      clearTimeout(timeout)
      contexts.disable()
    },
  }
}

function told(span: OtelSpan): Span {
  return {
    set: (name, value) => void span.setAttribute(name, value),
    fail(reason) {
      span.setAttribute('error.type', reason)
      span.setStatus({ code: SpanStatusCode.ERROR })
    },
  }
}

function headersOf(context: Context): Record<string, string> {
  const span = trace.getSpan(context)?.spanContext()
  if (!span) return {}
  const flags = span.traceFlags.toString(16).padStart(2, '0')
  const state = span.traceState?.serialize()
  return { traceparent: `00-${span.traceId}-${span.spanId}-${flags}`, ...(state ? { tracestate: state } : {}) }
}

function samplerOf({ parentBased, ratio }: TracingOptions): Sampler {
  const root =
    ratio >= 1 ? new AlwaysOnSampler() : ratio <= 0 ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(ratio)
  return parentBased ? new ParentBasedSampler({ root }) : root
}
