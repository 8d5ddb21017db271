/** OWASP ASVS 5.0, chapter V9: signed tokens, at the APIs that take them and at the server, which takes its own as hints. */
import type { Chapter } from './clause.ts'

export const tokens: Chapter = {
  name: 'V9',
  title: 'Self-contained tokens',
  clauses: [
    {
      id: 'ASVS 9.1.1',
      level: 1,
      says: 'Nothing in a token is believed before its signature was checked.',
      state: 'met',
      tests: [
        '${what} opens neither an API nor userinfo',
        'one changed character anywhere breaks a token',
        'a forged hint signs nobody out and nobody in',
        'a hint that this issuer did not sign for this client is refused, and nothing ends',
      ],
    },
    {
      id: 'ASVS 9.1.2',
      level: 1,
      says: 'Tokens are signed and checked with listed algorithms only, of one kind, and never with none.',
      state: 'met',
      tests: [
        'alg none is refused, with an empty signature or the old one',
        'the public key does not work as an HS256 secret',
        'unusable options are refused at start',
        '${alg}: what the private half signs verifies by the public half under the algorithm in the header',
      ],
    },
    {
      id: 'ASVS 9.1.3',
      level: 1,
      says: 'Keys come from the issuer that was configured, never from the token.',
      state: 'met',
      tests: [
        'a key that travels in the header, or is pointed at, is not looked at',
        'a redirect to other keys is not followed',
        'metadata is not used when its jwks_uri ${what}',
        'a public half that was exchanged in the database is not published',
      ],
    },
    {
      id: 'ASVS 9.2.1',
      level: 1,
      says: 'A token counts between its beginning and its end only.',
      state: 'met',
      tests: [
        'a token is refused with ${what}',
        'a token is refused whose end lies before its beginning',
        'an expired access token is refused, and the page says how to go on',
      ],
    },
    {
      id: 'ASVS 9.2.2',
      level: 2,
      says: 'A token is taken for what it was made for: an ID token opens no API.',
      state: 'met',
      tests: [
        'a token is refused with ${what}',
        '${what} opens neither an API nor userinfo',
        'a token for an API is refused at userinfo though it is good, and the opaque one at an API',
        'a refresh token, an access token and an ID token are no codes',
      ],
    },
    {
      id: 'ASVS 9.2.3',
      level: 2,
      says: 'An API takes only tokens that name it as their audience.',
      state: 'met',
      tests: ['a token is refused with ${what}', '${what} opens neither an API nor userinfo'],
    },
    {
      id: 'ASVS 9.2.4',
      level: 2,
      says: 'Tokens that one key signs for several audiences name theirs, and nobody can have one made for an audience that is not theirs to ask for.',
      state: 'met',
      tests: [
        'a person signs in, consents, and the client gets an RFC 9068 access token for the resource',
        'a resource that exists is invalid_target for a client that is not registered for it, here and at authorize',
        'of many that want one audience at once, one gets it',
        'a resource is found by its id and by any spelling of its audience',
      ],
    },
  ],
}
