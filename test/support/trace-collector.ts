/** A collector of traces that keeps what it is sent: OTLP over HTTP, as JSON. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { Teardown } from './database.ts'

export interface CollectedSpan {
  traceId: string
  spanId: string
  /** Empty: the span is the first of its trace. */
  parentSpanId: string
  name: string
  /** 1 internal, 2 server, 3 client. */
  kind: number
  attributes: Record<string, string | number | boolean>
  /** Whether it says that something went wrong. */
  failed: boolean
  traceState: string
  milliseconds: number
  resource: Record<string, string | number | boolean>
}

export interface TraceCollector {
  url: string
  spans: CollectedSpan[]
  /** Everything as it came, headers included. */
  raw: string[]
  /** Waits for spans. */
  until(isThere: (spans: CollectedSpan[]) => boolean): Promise<CollectedSpan[]>
}

type Attributes = { key: string; value: Record<string, string | number | boolean> }[]
interface Sent {
  resourceSpans: {
    resource: { attributes: Attributes }
    scopeSpans: { spans: (Omit<CollectedSpan, 'attributes'> & SentSpan)[] }[]
  }[]
}
interface SentSpan {
  attributes: Attributes
  status?: { code?: number }
  startTimeUnixNano: string
  endTimeUnixNano: string
}

export async function startTraceCollector(t: Teardown): Promise<TraceCollector> {
  const spans: CollectedSpan[] = []
  const raw: string[] = []
  let onMore = Promise.withResolvers<void>()
  const server = createServer((req, res) => {
    void json(req).then((body) => {
      raw.push(JSON.stringify({ method: req.method, path: req.url, headers: req.headers, body }))
      if (req.url === '/v1/traces') spans.push(...read(body as Sent))
      res.setHeader('content-type', 'application/json').end('{}')
      onMore.resolve()
      onMore = Promise.withResolvers()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    raw,
    async until(isThere) {
      while (!isThere(spans)) await onMore.promise
      return spans
    },
  }
}

function read({ resourceSpans }: Sent): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => ({
        ...span,
        parentSpanId: span.parentSpanId ?? '',
        traceState: span.traceState ?? '',
        attributes: values(span.attributes),
        failed: span.status?.code === 2,
        milliseconds: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
        resource: values(resource.attributes),
      })),
    ),
  )
}

function values(attributes: Attributes): CollectedSpan['attributes'] {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]!]))
}
