/** Which operation a path and a method mean. */
import type { Method, Operation } from './operation.ts'

export interface Route {
  /** `/users/{user_id}` */
  template: string
  /** The same under base and version, `/api/v1/users/{user_id}`: what logs and metrics call it. */
  name: string
  operations: ReadonlyMap<Method, Operation>
  /** Every method that works here, as `Allow` tells it. */
  allow: string
}

export interface Match {
  route: Route
  /** Percent-decoded. */
  params: Record<string, string>
}

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** NUL, other control characters, half characters and novels name nothing, and no database could hold them all. */
const NAME = /^[^\p{Cc}\p{Cs}]{1,255}$/u

/**
 * Finds the route of a path as it came, percent-encoded. A fixed segment goes before a parameter.
 * @param prefix what stands before every template in a route's name
 * @throws Error for declarations that contradict each other
 */
export function createRoutes(operations: readonly Operation[], prefix: string): (path: string) => Match | undefined {
  const routes = routesOf(operations, prefix)
    .map((route) => ({ route, segments: route.template.split('/') }))
    .sort((a, b) => rank(a.segments).localeCompare(rank(b.segments)))
  return (path) => {
    const given = path.split('/')
    for (const { route, segments } of routes) {
      const params = matchSegments(segments, given)
      if (params) return { route, params }
    }
    return undefined
  }
}

function routesOf(operations: readonly Operation[], prefix: string): Route[] {
  const byTemplate = new Map<string, Map<Method, Operation>>()
  const ids = new Set<string>()
  for (const operation of operations) {
    const { id, method, path } = operation
    const methods = byTemplate.get(path) ?? new Map<Method, Operation>()
    if (ids.has(id) || methods.has(method)) throw new Error(`${id} (${method} ${path}) is declared twice`)
    ids.add(id)
    byTemplate.set(path, methods.set(method, operation))
  }
  return [...byTemplate].map(([template, methods]) => ({
    template,
    name: prefix + template,
    operations: methods,
    allow: allowOf(methods),
  }))
}

function allowOf(methods: ReadonlyMap<Method, Operation>): string {
  const own = METHODS.filter((method) => methods.has(method)).flatMap((method) =>
    method === 'GET' ? ['GET', 'HEAD'] : [method],
  )
  return [...own, 'OPTIONS'].join(', ')
}

/** Sorts `/users/me` before `/users/{id}`. */
function rank(segments: readonly string[]): string {
  return segments.map((segment) => (isParameter(segment) ? '1' : '0')).join('')
}

function isParameter(segment: string): boolean {
  return segment.startsWith('{')
}

function matchSegments(segments: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (segments.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of segments.entries()) {
    const value = given[index] ?? ''
    if (!isParameter(segment)) {
      if (segment !== value) return undefined
      continue
    }
    const decoded = decode(value)
    if (decoded === undefined) return undefined
    params[segment.slice(1, -1)] = decoded
  }
  return params
}

function decode(value: string): string | undefined {
  try {
    const text = decodeURIComponent(value)
    return NAME.test(text) ? text : undefined
  } catch {
    return undefined
  }
}
