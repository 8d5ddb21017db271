/** For how long the metadata document of a client is believed (RFC 9111 §4.2.1, within bounds). */
import test from 'ava'
import { freshSeconds } from '../../src/oidc/client-documents/freshness.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const at = (seconds: number) => new Date(NOW + seconds * 1000).toUTCString()

const CASES: [headers: Record<string, string>, seconds: number][] = [
  [{}, 300],
  [{ 'cache-control': 'max-age=3600' }, 3600],
  [{ 'cache-control': 'public, Max-Age="3600"' }, 3600],
  [{ 'cache-control': 'max-age=3600, s-maxage=7200' }, 7200],
  [{ 'cache-control': 'max-age=3600', age: '600' }, 3000],
  [{ 'cache-control': 'max-age=1' }, 300],
  [{ 'cache-control': 'max-age=999999999' }, 86_400],
  [{ 'cache-control': 'no-store, max-age=3600' }, 300],
  [{ 'cache-control': 'no-cache', expires: at(3600) }, 300],
  [{ 'cache-control': 'max-age=later' }, 300],
  [{ expires: at(3600) }, 3600],
  [{ expires: at(3600), date: at(-600) }, 4200],
  [{ expires: '0' }, 300],
]
for (const [headers, seconds] of CASES) {
  test(`an answer with ${JSON.stringify(headers)} is fresh for ${seconds} s`, (t) => {
    t.is(freshSeconds(headers, NOW), seconds)
  })
}
