/**
 * Which version of an API a request means. Four places may name it: the path (`/api/v2/…`), `API-Version: 2`,
 * `Accept: application/vnd.<vendor>.v2+json` and `?version=2`. One version comes of them, or a problem: those that name one must
 * agree, and the default is for requests where none does. A deprecated version says so in every answer (RFC 9745, RFC 8594); on
 * the day of its sunset it is gone.
 */
import type { Context } from 'koa'
import { weightedList } from '../header-list.ts'
import { commonProblems, problemsOf } from '../problem.ts'
import type { ApiVersion } from './api.ts'

const problem = problemsOf(commonProblems)

export interface Target {
  version: ApiVersion
  /** Below the version: `/users/usr_…`, percent-encoded as it came. */
  path: string
  /** Whether the path named the version. */
  inPath: boolean
}

export interface VersionRules {
  versions: readonly ApiVersion[]
  defaultVersion: number
  vendor: string
  /** The absolute URL of a path of a version. */
  urlOf: (version: number, path: string) => string
  now: () => number
}

/**
 * @param path below the API's base
 * @param query the value of `version`
 * @throws Problem 404, 406, 400 for a version that nobody knows, by where it was named; 400 for several; 410
 */
export function resolveVersion(rules: VersionRules, ctx: Context, path: string, query: string | undefined): Target {
  const inPath = /^\/v(0|[1-9]\d{0,8})(?=\/|$)/.exec(path)
  const below = inPath ? path.slice(inPath[0].length) : path
  const number = numberOf(rules, [
    inPath ? known(rules, inPath[1]!, () => problem('not-found')) : undefined,
    namedBy(rules, ctx.get('api-version'), { header: 'API-Version' }),
    query === undefined ? undefined : namedBy(rules, query || '?', { parameter: 'version' }),
  ], acceptedVersions(rules, ctx.get('accept'))) // prettier-ignore
  const version = rules.versions.find((one) => one.number === number)
  if (!version) throw problem('not-found')
  if (isGone(version, rules.now())) throw removed(rules, version, below)
  return { version, path: below, inPath: inPath !== null }
}

function numberOf(rules: VersionRules, places: (number | undefined)[], accepted: readonly number[]): number {
  const named = new Set(places.filter((place) => place !== undefined))
  const number = [...named][0] ?? accepted[0] ?? rules.defaultVersion
  if (named.size > 1 || (accepted.length > 0 && !accepted.includes(number))) throw problem('version-conflict')
  return number
}

function namedBy(
  rules: VersionRules,
  text: string,
  place: { header: string } | { parameter: string },
): number | undefined {
  if (text === '') return undefined
  return known(rules, text, () => {
    const detail = `must be one of ${rules.versions.map(({ number }) => number).join(', ')}`
    return problem('version-unknown', { errors: [{ ...place, detail, code: 'value' }] })
  })
}

function known({ versions }: VersionRules, text: string, otherwise: () => Error): number {
  const version = /^\d{1,9}$/.test(text) ? versions.find(({ number }) => number === Number(text)) : undefined
  if (!version) throw otherwise()
  return version.number
}

/** The versions whose vendor type is accepted, the one most wanted first. Unknown ones don't matter while something else is left. */
function acceptedVersions({ versions, vendor }: VersionRules, accept: string): number[] {
  const ranges = weightedList(accept)
    .filter(({ q }) => q > 0)
    .sort((a, b) => b.q - a.q)
  const prefix = `application/vnd.${vendor}.v`.toLowerCase()
  const [named, others] = [[] as number[], [] as string[]]
  for (const { value } of ranges) {
    if (value.startsWith(prefix) && value.endsWith('+json')) named.push(Number(value.slice(prefix.length, -5)))
    else others.push(value)
  }
  const numbers = named.filter((number) => versions.some((version) => version.number === number))
  if (named.length > 0 && numbers.length === 0 && others.length === 0) {
    const detail = `There is ${versions.map(({ number }) => `${prefix}${number}+json`).join(', ')}`
    throw problem('not-acceptable', { detail })
  }
  return numbers
}

export function isGone({ removed, deprecated }: ApiVersion, now: number): boolean {
  return removed === true || (deprecated !== undefined && deprecated.sunset.getTime() <= now)
}

function removed(rules: VersionRules, version: ApiVersion, path: string) {
  return problem('version-removed', {
    detail: `Version ${version.number} was removed`,
    headers: { link: `<${rules.urlOf(successorOf(rules, version), path)}>; rel="successor-version"` },
  })
}

export function successorOf({ defaultVersion, versions }: VersionRules, { number, successor }: ApiVersion): number {
  const later = versions.map((version) => version.number).filter((other) => other > number)
  return successor ?? (defaultVersion > number ? defaultVersion : Math.max(number, ...later))
}

/** What every answer of a version says of it, problems too. */
export function tellVersion(rules: VersionRules, ctx: Context, { version, path, inPath }: Target): void {
  ctx.set('API-Version', String(version.number))
  if (!inPath) ctx.vary('API-Version')
  if (!version.deprecated) return
  const { since, sunset, documentation } = version.deprecated
  ctx.set('Deprecation', `@${Math.floor(since.getTime() / 1000)}`)
  ctx.set('Sunset', sunset.toUTCString())
  const links = [
    ...(documentation ? [`<${documentation}>; rel="deprecation"; type="text/html"`, `<${documentation}>; rel="sunset"; type="text/html"`] : []),
    `<${rules.urlOf(successorOf(rules, version), path)}>; rel="successor-version"`,
  ] // prettier-ignore
  ctx.append('Link', links.join(', '))
}
