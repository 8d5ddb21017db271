import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { CollectedMetrics } from './metrics.ts'

export interface MetricsServerOptions {
  host: string
  port: number
  collect: () => Promise<CollectedMetrics>
  /**
   * What `/health/live` and `/health/ready` say.
   * @returns what is missing for it, in a few words; undefined: nothing
   */
  health: (question: 'live' | 'ready') => Promise<string | undefined>
  log: { warn(facts: object, message: string): void }
}

/** More readers than any operator has; nobody shall tie up a process by asking for its metrics. */
const MOST_CONNECTIONS = 32
const PATIENCE_MS = 10_000

/**
 * Listens for Prometheus, and for whoever asks for health where the public port must not be asked. A listener of its own: what
 * is measured tells strangers how busy a server is, whom it refuses, and when its keys turn over.
 * @returns the port, and how to stop
 * @throws what the system says of host and port
 */
export async function startMetricsServer(
  options: MetricsServerOptions,
): Promise<{ port: number; stop(): Promise<void> }> {
  const answer = createAnswers(options)
  const limits = { requestTimeout: PATIENCE_MS, headersTimeout: PATIENCE_MS, keepAliveTimeout: 65_000 }
  const server = createServer(limits, (req, res) => void answer(req, res))
  server.maxConnections = MOST_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.host, port: options.port }, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Answer {
  status: number
  type: string
  body: string
}

function createAnswers({ collect, health, log }: MetricsServerOptions) {
  const collectOnce = shared(collect)

  async function find(path: string | undefined): Promise<Answer> {
    switch (path) {
      case '/metrics': {
        const { contentType, body } = await collectOnce()
        return { status: 200, type: contentType, body }
      }
      case '/health/live':
        return tellHealth(await health('live'), 'ok')
      case '/health/ready':
        return tellHealth(await health('ready'), 'ready')
      default:
        return json(404, { error: 'not_found' })
    }
  }

  return async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { method = '' } = req
    const isRead = method === 'GET' || method === 'HEAD'
    const found = isRead
      ? await find(req.url?.split('?', 1)[0]).catch((err: unknown) => {
          log.warn({ err }, 'metrics could not be told')
          return json(500, { error: 'server_error' })
        })
      : json(405, { error: 'method_not_allowed' })
    res.writeHead(found.status, {
      'content-type': found.type,
      'content-length': Buffer.byteLength(found.body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(isRead ? {} : { allow: 'GET, HEAD' }),
    })
    res.end(method === 'HEAD' ? undefined : found.body)
  }
}

/** In the words of the public port. */
function tellHealth(missing: string | undefined, well: string): Answer {
  if (missing === undefined) return json(200, { status: well })
  const isPhase = missing === 'starting' || missing === 'draining'
  return json(503, isPhase ? { status: missing } : { status: 'unavailable', missing })
}

function json(status: number, body: object): Answer {
  return { status, type: 'application/json', body: JSON.stringify(body) }
}

/** Who asks while an answer is being made gets that one. */
function shared<T>(make: () => Promise<T>): () => Promise<T> {
  let making: Promise<T> | undefined
  return () => (making ??= make().finally(() => (making = undefined)))
}
