import test from 'ava'
import { fc } from '../support/property.ts'
import type { ClientKind } from '../../src/registry/clients/client.ts'
import {
  isCustomSchemeRedirect,
  isLoopbackRedirect,
  originProblem,
  postLogoutRedirectUriProblem,
  redirectHost,
  redirectUriProblem,
} from '../../src/registry/clients/redirect-uri.ts'

const accepted: [kind: ClientKind, uri: string][] = [
  ['web', 'https://app.example.com/callback'],
  ['web', 'https://app.example.com'],
  ['web', 'https://app.example.com/'],
  ['web', 'https://app.example.com:8443/callback?tenant=one&next=%2Fhome'],
  ['web', 'http://localhost:4000/callback'],
  ['web', 'https://xn--bcher-kva.example/callback'],
  ['web', 'https://app.example.com/~me/a%20b'],
  ['spa', 'http://127.0.0.1:5173/callback'],
  ['spa', 'https://app.example.com?step=1'],
  ['native', 'http://127.0.0.1/callback'],
  ['native', 'http://[::1]:0/callback'],
  ['native', 'http://localhost/'],
  ['native', 'https://app.example.com/claimed'],
  ['native', 'com.example.app:/callback'],
  ['native', 'com.example.app://callback'],
]

for (const [kind, uri] of accepted) {
  test(`a ${kind} client may have ${uri}`, (t) => {
    t.is(redirectUriProblem(uri, kind), undefined)
  })
}

const refused: [kind: ClientKind, uri: string, because: RegExp][] = [
  ['service', 'https://app.example.com/callback', /service client/],
  ['web', '', /absolute/],
  ['web', '/callback', /absolute/],
  ['web', '//app.example.com/callback', /absolute/],
  ['web', 'app.example.com/callback', /absolute/],
  ['web', `https://app.example.com/${'a'.repeat(2000)}`, /longer/],
  ['web', 'https://app.example.com/callback#', /fragment/],
  ['web', 'https://app.example.com/callback#here', /fragment/],
  ['web', 'https://*.example.com/callback', /wildcard/],
  ['web', 'https://app.example.com/*', /wildcard/],
  ['web', 'https://app.example.com@evil.example/callback', /user name/],
  ['web', 'https://app:secret@evil.example/callback', /user name/],
  ['web', 'https://@app.example.com/callback', /user name/],
  ['web', String.raw`https://evil.example\@app.example.com/`, /character/],
  ['web', 'https://app.example.com/call back', /character.*%20/],
  ['web', ' https://app.example.com/callback', /absolute/],
  ['web', 'https://app.example.com/callback\n', /character/],
  ['web', 'https://app.example.com/\tcallback', /character/],
  ['web', 'https://app.example.com/\0', /character/],
  ['web', 'https://app.example.com/\ud800', /character/],
  ['web', 'https://bücher.example/callback', /xn--bcher-kva/],
  ['web', 'https://app.example.com/100%', /character/],
  ['web', 'https://app.example.com/a/../callback', /\. or \.\./],
  ['web', 'https://app.example.com/./callback', /\. or \.\./],
  ['web', 'https://app.example.com/a/%2e%2E/callback', /\. or \.\./],
  ['web', 'https://app.example.com/..', /\. or \.\./],
  ['web', 'https://app.example.com/a%2Fb', /escaped slash/],
  ['web', 'https://app.example.com/a%5cb', /backslash/],
  ['web', 'https://app.example.com/a%0d%0aLocation:', /control/],
  ['web', 'https://app.example.com/a%00', /control/],
  ['web', 'https://APP.example.com/callback', /spelled https:\/\/app\.example\.com\/callback/],
  ['web', 'HTTPS://app.example.com/callback', /spelled https:/],
  ['web', 'https://app.example.com:443/callback', /spelled https:\/\/app\.example\.com\/callback/],
  ['web', 'https://app.example.com:/callback', /spelled/],
  ['web', 'https:app.example.com/callback', /spelled/],
  ['web', 'https:///app.example.com/callback', /spelled/],
  ['web', 'https://app%2eexample.com/callback', /spelled/],
  ['web', 'https://app.example.com./callback', /ends in a dot/],
  ['web', 'https://app.example.com:99999/callback', /valid/],
  ['web', 'https://', /valid/],
  ['web', 'http://app.example.com/callback', /https/],
  ['web', 'http://localhost.evil.example/callback', /https/],
  ['web', 'http://127.0.0.1.evil.example/callback', /https/],
  ['web', 'http://127.0.0.2/callback', /https/],
  ['web', 'http://0.0.0.0/callback', /https/],
  ['web', 'http://2130706433/callback', /spelled http:\/\/127\.0\.0\.1/],
  ['web', 'http://[0:0:0:0:0:0:0:1]/callback', /spelled http:\/\/\[::1\]/],
  ['web', 'com.example.app:/callback', /only native/],
  ['spa', 'com.example.app:/callback', /only native/],
  ['spa', 'javascript:alert(1)', /only native/],
  ['native', 'javascript:alert(1)', /reverse-DNS/],
  ['native', 'data:text/html,hi', /reverse-DNS/],
  ['native', 'file:///etc/passwd', /reverse-DNS/],
  ['native', 'vbscript:x', /reverse-DNS/],
  ['native', 'blob:https://app.example.com/x', /reverse-DNS/],
  ['native', 'about:blank', /reverse-DNS/],
  ['native', 'urn:ietf:wg:oauth:2.0:oob', /reverse-DNS/],
  ['native', 'myapp:/callback', /reverse-DNS/],
  ['native', 'com.example.app:callback', /path/],
  ['native', 'com.example.app://user@callback/', /user name/],
  ['native', 'com.example.app:/a/../callback', /\. or \.\./],
  ['native', 'COM.example.app:/callback', /spelled com\.example\.app/],
  ['native', 'https://localhost/callback', /http on loopback/],
  ['native', 'http://192.168.0.2/callback', /https/],
]

for (const [kind, uri, because] of refused) {
  test(`a ${kind} client may not have ${JSON.stringify(uri.slice(0, 60))}`, (t) => {
    t.regex(redirectUriProblem(uri, kind) ?? 'accepted', because)
    t.regex(postLogoutRedirectUriProblem(uri, kind) ?? 'accepted', because)
  })
}

const pieces = [
  ['https://', 'http://', 'com.example.app:/', 'javascript:', 'app.example.com', 'localhost', '127.0.0.1', '[::1]'],
  ['evil.example', '@', ':', ':443', ':80', '/', '//', '\\', '?', '#', '*', '..', '.', '%2e', '%2f', '%00', ' ', '\n'],
  ['\0', 'ü', 'A', 'a=b', '&', ';', '%', "'", '"', '<', '\u202e', '\ud800'],
]
const fragments = fc.constantFrom(...pieces.flat())
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.webUrl(),
  fc.array(fragments, { maxLength: 8 }).map((all) => all.join('')),
)

test('an accepted URI means the same to every reader: parsing it and writing it again changes nothing', (t) => {
  fc.assert(
    fc.property(hostile, fc.constantFrom<ClientKind>('web', 'spa', 'native'), (uri, kind) => {
      if (redirectUriProblem(uri, kind) !== undefined) return
      const url = new URL(uri)
      t.true(url.href === uri || url.href === uri.replace(/^([^?]*)/, '$1/'))
      t.true(url.username === '' && url.password === '' && url.hash === '')
      t.is(/^[^:]+:(?:\/\/([^/?]*))?/.exec(uri)?.[1] ?? '', url.host)
      t.false(/[\\*#\s]/.test(uri))
      t.true(url.protocol === 'https:' || isLoopbackRedirect(uri) || (kind === 'native' && isCustomSchemeRedirect(uri)))
    }),
    { numRuns: 3000 },
  )
})

test('URLs as people write them are mostly accepted, so the property above has something to hold', (t) => {
  const sample = fc.sample(fc.webUrl({ validSchemes: ['https'] }), 200)
  t.true(sample.filter((uri) => redirectUriProblem(uri, 'web') === undefined).length > 50)
})

test('a person is shown the host, or the scheme that opens an app', (t) => {
  t.is(redirectHost('https://app.example.com/callback'), 'app.example.com')
  t.is(redirectHost('https://app.example.com:8443/callback'), 'app.example.com:8443')
  t.is(redirectHost('http://127.0.0.1:49152/callback'), '127.0.0.1:49152')
  t.is(redirectHost('com.example.app:/callback'), 'com.example.app')
  t.is(redirectHost('https://xn--bcher-kva.example/'), 'xn--bcher-kva.example')
})

test('loopback and app-scheme redirects are told apart from hosts that someone owns', (t) => {
  t.true(isLoopbackRedirect('http://127.0.0.1:49152/callback'))
  t.true(isLoopbackRedirect('http://[::1]/callback'))
  t.true(isLoopbackRedirect('https://localhost/callback'))
  t.false(isLoopbackRedirect('https://app.example.com/'))
  t.false(isLoopbackRedirect('http://localhost.example.com/'))
  t.false(isLoopbackRedirect('com.example.app://localhost/'))
  t.true(isCustomSchemeRedirect('com.example.app:/callback'))
  t.false(isCustomSchemeRedirect('https://app.example.com/'))
})

test('an allowed origin is exactly what a browser sends', (t) => {
  for (const origin of ['https://app.example.com', 'https://app.example.com:8443', 'http://localhost:5173']) {
    t.is(originProblem(origin), undefined, origin)
  }
  const bad = ['*', 'null', '', 'app.example.com', 'https://app.example.com/', 'https://app.example.com/path']
  bad.push('https://*.example.com', 'HTTPS://app.example.com', 'https://app.example.com:443', 'http://app.example.com')
  bad.push(
    'https://user@app.example.com',
    'com.example.app://x',
    'file://',
    'https://app.example.com?x',
    'http://localhost:80',
  )
  for (const origin of bad) t.not(originProblem(origin), undefined, origin)
})
