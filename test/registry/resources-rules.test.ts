import test from 'ava'
import { fc } from '../support/property.ts'
import { normalAudience } from '../../src/lib/audience.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'
import {
  checkedAudience,
  checkedResourceSettings,
  withResourceDefaults,
  type GivenResourceSettings,
} from '../../src/registry/resources/resource.ts'

const spellings: [given: string, normal: string][] = [
  ['https://api.example.com', 'https://api.example.com'],
  ['https://api.example.com/', 'https://api.example.com'],
  ['HTTPS://API.example.com:443/', 'https://api.example.com'],
  ['https://api.example.com/orders', 'https://api.example.com/orders'],
  ['https://api.example.com/orders/', 'https://api.example.com/orders/'],
  ['https://api.example.com/a/../orders', 'https://api.example.com/orders'],
  ['https://api.example.com/?tenant=one', 'https://api.example.com/?tenant=one'],
  ['http://localhost:4000', 'http://localhost:4000'],
  ['urn:example:orders', 'urn:example:orders'],
]

for (const [given, normal] of spellings) {
  test(`the audience ${given} is ${normal}`, (t) => {
    t.is(checkedAudience(given), normal)
  })
}

const bad = ['', 'orders', '/orders', 'https://', 'https://api.example.com/#', 'https://api.example.com#a', 'a b:c']
bad.push(
  'https://user@api.example.com',
  'https://user:pw@api.example.com',
  'https://api.example.com/a b',
  'https://bücher.example',
)
bad.push('https://api.example.com/\0', 'https://api.example.com/\ud800', `https://api.example.com/${'a'.repeat(2000)}`)

for (const audience of bad) {
  test(`no audience: ${JSON.stringify(audience.slice(0, 50))}`, (t) => {
    t.throws(() => checkedAudience(audience), { instanceOf: RegistryError, message: /absolute URI/ })
  })
}

test('the normal form of a normal form is itself', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.webUrl({ withQueryParameters: true }), fc.string({ unit: 'binary' })), (text) => {
      const normal = normalAudience(text)
      if (normal !== undefined) t.is(normalAudience(normal), normal)
    }),
    { numRuns: 1000 },
  )
})

function settingsOf(given: GivenResourceSettings) {
  return checkedResourceSettings(withResourceDefaults({ ...given, name: given.name ?? 'Orders' }))
}

function scopeNamed(name: string) {
  return { scopes: [{ name, description: 'Read', descriptionDe: null }] }
}

test('a resource has defaults: RFC 9068 tokens signed with RS256 that say when and how the user signed in', (t) => {
  const settings = settingsOf({})
  t.like(settings, { tokenFormat: 'jwt', signingAlg: 'RS256', accessTokenTtl: null })
  t.deepEqual(settings.tokenClaims, ['auth_time', 'acr'])
})

test('scopes stand in the order of their names', (t) => {
  const scopes = ['b', 'a', 'C'].map((name) => ({ name, description: ' Read ', descriptionDe: ' Lesen ' }))
  const checked = settingsOf({ scopes }).scopes
  t.deepEqual(
    checked.map(({ name }) => name),
    ['C', 'a', 'b'],
  )
  t.like(checked[0], { description: 'Read', descriptionDe: 'Lesen' })
})

const refused: [title: string, given: GivenResourceSettings, field: string][] = [
  ...['openid', 'profile', 'email', 'offline_access', 'address', 'phone'].map(
    (name): [string, GivenResourceSettings, string] => [`scope ${name}`, scopeNamed(name), 'scopes'],
  ),
  ['an empty scope', scopeNamed(''), 'scopes'],
  ['a scope with a space', scopeNamed('a b'), 'scopes'],
  ['a scope with a quote', scopeNamed('a"b'), 'scopes'],
  ['a scope with a backslash', scopeNamed(String.raw`a\b`), 'scopes'],
  ['a scope with a NUL', scopeNamed('a\0'), 'scopes'],
  ['a scope beyond ASCII', scopeNamed('größe'), 'scopes'],
  ['an endless scope', scopeNamed('a'.repeat(101)), 'scopes'],
  ['a scope twice', { scopes: [...scopeNamed('a').scopes, ...scopeNamed('a').scopes] }, 'scopes'],
  ['a scope without words', { scopes: [{ name: 'a', description: '', descriptionDe: null }] }, 'scopes'],
  ['an empty name', { name: '' }, 'name'],
  ['an unknown algorithm', { signingAlg: 'HS256' as never }, 'signing_alg'],
  ['an unknown format', { tokenFormat: 'saml' as never }, 'token_format'],
  ['an unknown claim', { tokenClaims: ['password' as never] }, 'token_claims'],
  ['too short a life', { accessTokenTtl: 29 }, 'access_token_ttl'],
  ['too long a life', { accessTokenTtl: 86_401 }, 'access_token_ttl'],
  ['half a second', { accessTokenTtl: 60.5 }, 'access_token_ttl'],
]

for (const [title, given, field] of refused) {
  test(`refused: ${title}`, (t) => {
    const error = t.throws(() => settingsOf(given), { instanceOf: RegistryError })
    t.like(error, { code: 'invalid', field })
    t.false(/[\n\r\0]/.test(error?.message ?? ''))
  })
}
