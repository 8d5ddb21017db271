/** What a request is aimed at: a route of one version, or of the root that stands above all versions. */
import type { Context } from 'koa'
import { commonProblems, problemsOf } from '../problem.ts'
import type { ApiOptions } from './api.ts'
import { describeEndpoint, type Endpoint } from './endpoint.ts'
import type { Operation } from './operation.ts'
import type { Query } from './query.ts'
import { rootOperations, versionOperation } from './root.ts'
import { createRoutes, type Match } from './routes.ts'
import { resolveVersion, tellVersion, type VersionRules } from './versions.ts'

const problem = problemsOf(commonProblems)

export interface Aim {
  match: Match
  /** Below the version. */
  path: string
  version: number
  inPath: boolean
  endpoint: (operation: Operation) => Endpoint
}

export function versionRules({
  versions,
  defaultVersion,
  vendor,
  origin,
  base,
  now = Date.now,
}: ApiOptions): VersionRules {
  if (!versions.some(({ number }) => number === defaultVersion)) throw new Error('the default version is none of them')
  const root = `${origin}${base}`
  // Through URL, so that nothing that came in a request can break out of a header.
  const urlOf = (version: number, path: string) => new URL(`${root}/v${version}${path}`).href
  return { versions, defaultVersion, vendor, now, urlOf }
}

/**
 * @returns how to find what a request is aimed at; that throws Problem 404, and whatever stands against its version
 * @throws Error for declarations that contradict each other
 */
export function createAim(options: ApiOptions, rules: VersionRules): (ctx: Context, query: Query) => Aim {
  const root = prepare(options, options.defaultVersion, rootOperations(options, rules), options.base)
  const versions = new Map(
    options.versions.map((version) => {
      const operations = [versionOperation(rules, version), ...version.operations]
      return [version.number, prepare(options, version.number, operations, `${options.base}/v${version.number}`)]
    }),
  )
  return (ctx, query) => {
    const below = ctx.path.slice(options.base.length)
    const atRoot = root.find(below)
    if (atRoot) return { ...root, match: atRoot, path: below, inPath: true }
    const target = resolveVersion(rules, ctx, below, query.values.get('version'))
    tellVersion(rules, ctx, target)
    const { path, inPath } = target
    const prepared = versions.get(target.version.number)
    const match = prepared?.find(path)
    if (!prepared || !match) throw problem('not-found')
    return { ...prepared, match, path, inPath }
  }
}

/** The same operation may stand in several versions: what is made ready is of one. */
function prepare({ vendor }: ApiOptions, version: number, operations: readonly Operation[], prefix: string) {
  const endpoints = new Map(operations.map((one) => [one, describeEndpoint(one, version, vendor)]))
  return { version, find: createRoutes(operations, prefix), endpoint: (one: Operation) => endpoints.get(one)! }
}
