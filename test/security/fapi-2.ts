/**
 * FAPI 2.0 Security Profile: what its section 5 asks of servers, APIs and keys, for clients with the profile `fapi2`. What it
 * asks of clients alone (§5.3.3) is theirs. Letters are ours, in the order of the text.
 */
import type { Chapter } from './clause.ts'

const COMPLETES =
  'fapi2: openid-client completes it; the ID token is ES256, the code short-lived, the refresh token stays'
const CONTRADICTS = 'fapi2: what contradicts it is refused, with the field and the rule'
const BROKEN_RULE = 'fapi2: a request that breaks a rule is told which'
const NO_PROOF = 'fapi2: tokens are given for a proof of the key and not without'
const ASSERTION = 'an assertion is refused with ${what}'
const REFUSED_AT_TOKEN = 'refused for good at the token endpoint: ${what}'
const ISSUER_AND_STATE = "${what} gets ${error ?? 'a code'}, with issuer and state"

export const network: Chapter = {
  name: '§5.2',
  title: 'Network',
  clauses: [
    {
      id: 'FAPI 2.0 5.2.1',
      says: 'Every endpoint is served over TLS 1.2 or later.',
      state: 'not applicable',
      note: 'TLS ends at the proxy in front; `grantry doctor` looks for what would betray that there is none.',
      tests: ['TLS in front without TRUST_PROXY must be mended'],
    },
    {
      id: 'FAPI 2.0 5.2.2',
      says: 'Endpoints for programs offer strong ciphers alone.',
      state: 'not applicable',
      note: 'That is the proxy’s.',
    },
    {
      id: 'FAPI 2.0 5.2.3 a',
      says: 'Browsers can not be talked down from TLS.',
      state: 'met',
      tests: ['behind TLS cookies carry the prefixes that pin them, and HSTS is set'],
    },
    {
      id: 'FAPI 2.0 5.2.3 b',
      says: 'Scripts of other origins have no access to the authorization endpoint.',
      state: 'met',
      tests: [
        'scripts reach the token endpoint from registered origins only, and the authorization endpoint from none',
      ],
    },
  ],
}

export const servers: Chapter = {
  name: '§5.3.2',
  title: 'Authorization servers',
  clauses: [
    {
      id: 'FAPI 2.0 5.3.2.1 a',
      says: 'The server publishes its metadata.',
      state: 'met',
      tests: [
        'nothing is advertised that is not proved here, and both documents say the same',
        'discovery equals behaviour: ${member}',
      ],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 b',
      says: 'The password grant is refused.',
      state: 'met',
      tests: [REFUSED_AT_TOKEN, 'implicit and hybrid response types and the password grant are refused'],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 c',
      says: 'Clients are confidential.',
      state: 'met',
      tests: [CONTRADICTS],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 d',
      says: 'Access tokens are bound to a key.',
      state: 'met',
      tests: [NO_PROOF, 'fapi2: one switch sets everything that it asks of a registration'],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 e',
      says: 'The binding is by mutual TLS or DPoP.',
      state: 'met',
      tests: [NO_PROOF, 'oauth4webapi completes code, refresh, userinfo and client credentials with ${alg} proofs'],
      note: 'DPoP; there is no mutual TLS.',
    },
    {
      id: 'FAPI 2.0 5.3.2.1 f',
      says: 'Clients prove themselves by mutual TLS or `private_key_jwt`.',
      state: 'met',
      tests: [CONTRADICTS, 'a client proves itself with ${alg}, by hand and with oauth4webapi or openid-client'],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 g',
      says: 'The server sends nobody to an address out of the request.',
      state: 'met',
      tests: ['nobody is sent to ${what}', 'logout sends nobody to ${what}'],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 h',
      says: 'An assertion names the issuer alone as its audience.',
      state: 'met',
      tests: [ASSERTION],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 i',
      says: 'Refresh tokens are not rotated.',
      state: 'met',
      tests: [COMPLETES],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 j',
      says: 'With DPoP, the server may ask for its nonces.',
      state: 'met',
      tests: [
        'a proof without a nonce, or with one that is not ours, is answered with one to use; it is good on all instances',
      ],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 k',
      says: 'A code lives for a minute at most.',
      state: 'met',
      tests: ['a code lives for a minute', COMPLETES],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 l',
      says: 'With DPoP, a code can be bound to the key from the beginning.',
      state: 'met',
      tests: ['a code that names a key is traded by that key only'],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 m',
      says: 'Clocks that are ten seconds ahead are borne, and JWTs from more than a minute ahead refused.',
      state: 'met',
      tests: [ASSERTION, 'a token request is refused with a proof that has ${what}'],
    },
    {
      id: 'FAPI 2.0 5.3.2.1 n',
      says: 'A token carries the least that its use needs.',
      state: 'met',
      tests: [
        'a client may ask for exactly the scopes it was given',
        'a narrower scope is granted, a wider one is invalid_scope',
      ],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 a',
      says: 'The server has the code grant.',
      state: 'met',
      tests: [COMPLETES],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 b',
      says: 'Clients push their requests and prove themselves with it.',
      state: 'met',
      tests: [COMPLETES, 'a confidential client must prove itself, and a body names a parameter once'],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 c',
      says: 'A request that was not pushed is refused.',
      state: 'met',
      tests: [BROKEN_RULE, 'a client that must push is refused without, and others are not'],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 d',
      says: 'A pushed request without proof of its client is refused.',
      state: 'met',
      tests: ['a confidential client must prove itself, and a body names a parameter once'],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 e',
      says: 'PKCE with S256 is required.',
      state: 'met',
      tests: [
        'PKCE is demanded of every client, and only S256',
        'refused for good at the authorization endpoint: ${what}',
      ],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 f',
      says: 'The pushed request names its redirect URI.',
      state: 'met',
      tests: [BROKEN_RULE],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 g',
      says: 'Every answer names its issuer (RFC 9207).',
      state: 'met',
      tests: [ISSUER_AND_STATE],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 h',
      says: 'No answer is sent to an http address.',
      state: 'met',
      tests: [CONTRADICTS],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 i',
      says: 'A code is good once.',
      state: 'met',
      tests: [
        'a code redeemed twice revokes the tokens that it issued',
        'twenty parallel redemptions of one code: exactly one success',
      ],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 j',
      says: 'No redirect repeats a form with credentials: 303, never 307.',
      state: 'met',
      tests: [ISSUER_AND_STATE, '${name}: only the form that this page was given is accepted'],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 k',
      says: 'A pushed request is good for less than ten minutes.',
      state: 'met',
      tests: [
        'a request is its client’s alone, and of no use after a minute',
        'a request is answered once, with everything that was pushed and nothing that was not',
      ],
    },
    {
      id: 'FAPI 2.0 5.3.2.2 l',
      says: 'People get what they need to decide.',
      state: 'met',
      tests: ['a person signs in, consents, and the client gets an RFC 9068 access token for the resource'],
      note: 'The page names the app, where the answer goes and each scope in words; what a purchase or payment would need (RFC 9396) it can not show.',
    },
  ],
}

export const apis: Chapter = {
  name: '§5.3.4',
  title: 'Resource servers',
  clauses: [
    {
      id: 'FAPI 2.0 5.3.4 a',
      says: 'A token travels in the Authorization header, and one in the address is not taken.',
      state: 'met',
      tests: [
        'refused for good: a bearer token in the query',
        'malformed or ambiguous credentials are 400 invalid_request',
      ],
    },
    {
      id: 'FAPI 2.0 5.3.4 b',
      says: 'Signature, validity and end of a token are checked, and whether it was revoked.',
      state: 'met',
      tests: [
        'a token is refused with ${what}',
        'a refusal for revocation is 401 invalid_token with a challenge, before scopes are looked at',
      ],
      note: 'Revocation by following events (`createRevocationList`) or by introspection: an API opts in.',
    },
    {
      id: 'FAPI 2.0 5.3.4 c',
      says: 'A token that covers too little is refused.',
      state: 'met',
      tests: ['a token that covers too little is refused with everything that is needed'],
    },
    {
      id: 'FAPI 2.0 5.3.4 d',
      says: 'A bound token is taken from the holder of its key alone.',
      state: 'met',
      tests: [
        'a bound token is refused with ${what}',
        'a bound token is refused as a bearer’s, and a bearer’s with a proof',
        'an API may take bound tokens only',
      ],
    },
  ],
}

export const cryptography: Chapter = {
  name: '§5.4',
  title: 'Keys and secrets',
  clauses: [
    {
      id: 'FAPI 2.0 5.4.1 a',
      says: 'JWTs are signed with PS256, ES256 or Ed25519: what clients send.',
      state: 'met',
      tests: [CONTRADICTS, BROKEN_RULE],
    },
    {
      id: 'FAPI 2.0 5.4.1 b',
      says: 'JWTs are signed with PS256, ES256 or Ed25519: what the server sends.',
      state: 'met',
      tests: [COMPLETES],
      note: 'An API that asks for RS256 gets ES256 for such a client.',
    },
    {
      id: 'FAPI 2.0 5.4.1 c',
      says: 'Nothing unsigned is taken.',
      state: 'met',
      tests: [REFUSED_AT_TOKEN, 'alg none is refused, with an empty signature or the old one'],
    },
    {
      id: 'FAPI 2.0 5.4.1 d',
      says: 'RSA keys have 2048 bits or more, curves 224.',
      state: 'met',
      tests: ['private, symmetric, weak and foreign keys are refused with a reason'],
    },
    {
      id: 'FAPI 2.0 5.4.1 e',
      says: 'Secrets that no person must remember hold 128 random bits or more.',
      state: 'met',
      tests: ['a session id has 256 bits, and no two are alike'],
      note: 'Codes and tokens are made the same way. The codes that devices show are for people; guessing them is limited.',
    },
    {
      id: 'FAPI 2.0 5.4.2',
      says: 'Keys come from where they were registered, each under one `kid`; none that a header brings along.',
      state: 'met',
      tests: [
        'private, symmetric, weak and foreign keys are refused with a reason',
        'a key that travels in the header, or is pointed at, is not looked at',
      ],
    },
  ],
}
