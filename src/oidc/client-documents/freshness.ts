import type { StrangerAnswer } from '../../outbound/stranger.ts'

/** However short a host wishes it: each sign-in must not be a request to a third party. */
export const LEAST_FRESH_SECONDS = 5 * 60
/** However long: what a client changes, its redirect URIs above all, must be believed within a day. */
export const MOST_FRESH_SECONDS = 24 * 60 * 60

const DIRECTIVE = /(?:^|,)\s*([\w-]+)(?:\s*=\s*"?([^",]*)"?)?/g

/** For how many seconds an answer need not be asked for again (RFC 9111 §4.2.1), within our bounds. */
export function freshSeconds(headers: StrangerAnswer['headers'], now: number): number {
  return Math.min(MOST_FRESH_SECONDS, Math.max(LEAST_FRESH_SECONDS, wished(headers, now)))
}

function wished(headers: StrangerAnswer['headers'], now: number): number {
  const control = new Map<string, string>()
  for (const [, name = '', value = ''] of one(headers['cache-control']).matchAll(DIRECTIVE)) {
    control.set(name.toLowerCase(), value)
  }
  if (control.has('no-store') || control.has('no-cache')) return 0
  const age = seconds(one(headers.age)) ?? 0
  // A cache of many is what we are: s-maxage comes first (RFC 9111 §5.2.2.10).
  const lifetime = seconds(control.get('s-maxage')) ?? seconds(control.get('max-age'))
  if (lifetime !== undefined) return lifetime - age
  const expires = Date.parse(one(headers.expires))
  if (Number.isNaN(expires)) return 0
  const date = Date.parse(one(headers.date))
  return (expires - (Number.isNaN(date) ? now : date)) / 1000 - age
}

function seconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,10}$/.test(value) ? Number(value) : undefined
}

function one(value: string | string[] | undefined): string {
  return [value ?? []].flat().join(',')
}
