import test from 'ava'
import {
  checkedSettings,
  withDefaults,
  type ClientKind,
  type GivenSettings,
} from '../../src/registry/clients/client.ts'
import { RegistryError } from '../../src/registry/registry-error.ts'

const REDIRECT = { redirectUris: ['https://app.example.com/callback'] }

function settingsOf(kind: ClientKind, given: GivenSettings = {}) {
  return checkedSettings(kind, withDefaults(kind, { ...given, name: given.name ?? 'An app' }))
}

test('each kind has defaults that work', (t) => {
  const code = ['authorization_code', 'refresh_token']
  const offline = ['openid', 'profile', 'email', 'offline_access']
  const web = settingsOf('web', REDIRECT)
  t.deepEqual([web.tokenEndpointAuthMethod, web.grantTypes, web.openidScopes], ['client_secret_basic', code, offline])
  const spa = settingsOf('spa', REDIRECT)
  t.deepEqual([spa.tokenEndpointAuthMethod, spa.grantTypes, spa.openidScopes], ['none', code, offline.slice(0, 3)])
  const native = settingsOf('native', { redirectUris: ['com.example.app:/callback'] })
  t.deepEqual([native.tokenEndpointAuthMethod, native.grantTypes, native.openidScopes], ['none', code, offline])
  const service = settingsOf('service')
  t.deepEqual(
    [service.tokenEndpointAuthMethod, service.grantTypes, service.openidScopes],
    ['client_secret_basic', ['client_credentials'], []],
  )
})

test('a single-page app may call from the origins of its redirect URIs unless told otherwise', (t) => {
  const redirectUris = ['https://app.example.com/a', 'https://app.example.com/b', 'http://localhost:5173/a']
  t.deepEqual(settingsOf('spa', { redirectUris }).allowedOrigins, ['https://app.example.com', 'http://localhost:5173'])
  t.deepEqual(settingsOf('spa', { redirectUris, allowedOrigins: [] }).allowedOrigins, [])
  t.deepEqual(settingsOf('web', { redirectUris }).allowedOrigins, [])
})

test('names have one normal form, and lists hold nothing twice', (t) => {
  const redirectUris = ['https://app.example.com/callback', 'https://app.example.com/callback']
  const settings = settingsOf('web', { name: '  Cafe\u0301 ', redirectUris })
  t.is(settings.name, 'Café')
  t.is(settings.redirectUris.length, 1)
})

const refused: [title: string, kind: ClientKind, given: GivenSettings, field: string][] = [
  [
    'none with client_credentials',
    'spa',
    { ...REDIRECT, grantTypes: ['authorization_code', 'client_credentials'] },
    'grant_types',
  ],
  ['a machine without authentication', 'service', { tokenEndpointAuthMethod: 'none' }, 'grant_types'],
  [
    'a public client with a secret',
    'spa',
    { ...REDIRECT, tokenEndpointAuthMethod: 'client_secret_basic' },
    'token_endpoint_auth_method',
  ],
  [
    'a web client without authentication',
    'web',
    { ...REDIRECT, tokenEndpointAuthMethod: 'none' },
    'token_endpoint_auth_method',
  ],
  ['a service with codes', 'service', { grantTypes: ['client_credentials', 'authorization_code'] }, 'grant_types'],
  ['a service without its grant', 'service', { grantTypes: [] }, 'grant_types'],
  ['a web client without codes', 'web', { grantTypes: ['client_credentials'] }, 'grant_types'],
  ['a password grant', 'web', { ...REDIRECT, grantTypes: ['authorization_code', 'password' as never] }, 'grant_types'],
  ['an implicit grant', 'spa', { ...REDIRECT, grantTypes: ['authorization_code', 'implicit' as never] }, 'grant_types'],
  ['an unknown kind', 'toaster' as never, REDIRECT, 'kind'],
  ['a kind that is a property of every object', 'constructor' as never, REDIRECT, 'kind'],
  ['no redirect URI', 'web', {}, 'redirect_uris'],
  ['a bad redirect URI', 'web', { redirectUris: ['https://app.example.com/*'] }, 'redirect_uris'],
  ['a redirect URI of a service', 'service', REDIRECT, 'redirect_uris'],
  [
    'a bad post-logout URI',
    'web',
    { ...REDIRECT, postLogoutRedirectUris: ['http://app.example.com/'] },
    'post_logout_redirect_uris',
  ],
  ['a bad origin', 'spa', { ...REDIRECT, allowedOrigins: ['*'] }, 'allowed_origins'],
  ['an origin of a service', 'service', { allowedOrigins: ['https://app.example.com'] }, 'allowed_origins'],
  ['an empty name', 'web', { ...REDIRECT, name: ' ' }, 'name'],
  ['an endless name', 'web', { ...REDIRECT, name: 'a'.repeat(201) }, 'name'],
  ['a name with a NUL', 'web', { ...REDIRECT, name: 'a\0b' }, 'name'],
  ['a name with a lone surrogate', 'web', { ...REDIRECT, name: 'a\ud800' }, 'name'],
  ['a name that turns the reading direction', 'web', { ...REDIRECT, name: 'Bank\u202emoc.live' }, 'name'],
  ['an unknown OpenID scope', 'web', { ...REDIRECT, openidScopes: ['openid', 'phone' as never] }, 'openid_scopes'],
  ['claims without openid', 'web', { ...REDIRECT, openidScopes: ['email'] }, 'openid_scopes'],
  ['OpenID scopes of a service', 'service', { openidScopes: ['openid'] }, 'openid_scopes'],
  [
    'offline access without refresh tokens',
    'web',
    { ...REDIRECT, grantTypes: ['authorization_code'], openidScopes: ['openid', 'offline_access'] },
    'openid_scopes',
  ],
  ['a first-party service', 'service', { firstParty: true }, 'first_party'],
  [
    'too many URIs',
    'web',
    { redirectUris: Array.from({ length: 101 }, (_, n) => `https://app.example.com/${n}`) },
    'redirect_uris',
  ],
]

for (const [title, kind, given, field] of refused) {
  test(`refused: ${title}`, (t) => {
    const error = t.throws(() => settingsOf(kind, given), { instanceOf: RegistryError })
    t.like(error, { code: 'invalid', field })
    t.false(/[\n\r\0]/.test(error?.message ?? ''))
  })
}
