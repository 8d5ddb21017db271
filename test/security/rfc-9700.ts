/**
 * RFC 9700, Best Current Practice for OAuth 2.0 Security: what its sections 2 and 4 ask, each demand by itself. Descriptions
 * of attacks ask for nothing; what is asked against them stands in the sections on countermeasures. Letters are ours.
 */
import type { Chapter } from './clause.ts'

const BINDING = {
  state: 'met',
  tests: [
    'a client that is registered for it gets no token without a proof, whatever the grant',
    'a bound token is refused with ${what}',
    'a bound token is refused as a bearer’s, and a bearer’s with a proof',
    'a proof is taken by one of two instances, once',
  ],
  note: 'By DPoP (RFC 9449), for clients that send proofs; one that is registered with `dpop_bound_access_tokens` gets no others, and an API can refuse bearers’ tokens. A client that sends none still gets bearers’ tokens, which are short-lived and name their audience.',
} as const
const ISSUER_AND_STATE = "${what} gets ${error ?? 'a code'}, with issuer and state"
const CLIENT_CHECKS = 'an answer ${what} is refused before its code is traded'

export const recommendations: Chapter = {
  name: '§2',
  title: 'Best practices',
  clauses: [
    {
      id: 'RFC 9700 2.1 a',
      says: 'The server compares redirect URIs as text; only the port of a native app’s loopback address is free.',
      state: 'met',
      tests: [
        'nobody is sent to ${what}',
        'a native app may come back to any port of its loopback address, and to nothing else there',
        'a redirect URI given twice never counts with its bad half',
      ],
    },
    {
      id: 'RFC 9700 2.1 b',
      says: 'Neither server nor client sends browsers to an address out of the request.',
      state: 'met',
      tests: [
        'the pages of ours never follow an address of the request',
        'logout sends nobody to ${what}',
        'nobody is sent to ${what}',
      ],
      note: 'The playground goes to its own address and to those of the discovery document.',
    },
    {
      id: 'RFC 9700 2.1 c',
      says: 'Clients take no answer that they did not ask for.',
      state: 'met',
      tests: [
        CLIENT_CHECKS,
        'a way back that nobody asked for is refused',
        'the answer to a sign-in that this browser did not ask for signs nobody in',
      ],
    },
    {
      id: 'RFC 9700 2.1 d',
      says: 'Clients of several servers tell whose answer they got, best by `iss`.',
      state: 'met',
      tests: [
        ISSUER_AND_STATE,
        CLIENT_CHECKS,
        '${library}: an answer with a foreign iss, without one, with another state or nonce is refused',
      ],
    },
    {
      id: 'RFC 9700 2.1 e',
      says: 'A redirect after a form with credentials does not carry them on.',
      state: 'met',
      tests: ['${name}: only the form that this page was given is accepted'],
    },
    {
      id: 'RFC 9700 2.1.1 a',
      says: 'Public clients use PKCE, and confidential ones should.',
      state: 'met',
      tests: ['PKCE is demanded of every client, and only S256', 'no code comes for ${what}'],
    },
    {
      id: 'RFC 9700 2.1.1 b',
      says: 'Challenge and nonce are made for one transaction and bound to the browser in which it began.',
      state: 'met',
      tests: [
        'the page asks as a public client with PKCE, state, nonce and the one resource',
        'an ID token of another sign-in is refused',
        'a way back that nobody asked for is refused',
      ],
    },
    {
      id: 'RFC 9700 2.1.1 c',
      says: 'The server makes an effort to notice clients that always send the same challenge or nonce.',
      state: 'not yet',
      note: 'Nothing looks for it.',
    },
    {
      id: 'RFC 9700 2.1.1 d',
      says: 'The challenge does not give the verifier away: S256.',
      state: 'met',
      tests: ['PKCE is demanded of every client, and only S256', 'the challenge itself is no verifier'],
    },
    {
      id: 'RFC 9700 2.1.1 e',
      says: 'The server has PKCE and holds the token request to it.',
      state: 'met',
      tests: [
        'a code is not redeemed ${what}, and stays good for its owner',
        'a code is refused with a wrong verifier, without one, and to another client',
      ],
    },
    {
      id: 'RFC 9700 2.1.1 f',
      says: 'PKCE can not be talked down by leaving the challenge out.',
      state: 'met',
      tests: ['no code comes for ${what}'],
    },
    {
      id: 'RFC 9700 2.1.1 g',
      says: 'Clients can find out that the server has PKCE.',
      state: 'met',
      tests: ['both well-known documents say the same, and each library finds its way by either'],
    },
    {
      id: 'RFC 9700 2.1.2',
      says: 'No access token travels in an answer to the browser.',
      state: 'met',
      tests: ['implicit and hybrid response types and the password grant are refused', ISSUER_AND_STATE],
    },
    {
      id: 'RFC 9700 2.2.1',
      says: 'Access tokens are bound to a key of their holder.',
      ...BINDING,
    },
    {
      id: 'RFC 9700 2.2.2 a',
      says: 'Refresh tokens of public clients are bound to a key or rotated.',
      state: 'met',
      tests: [
        'a refresh rotates the token',
        'a reuse after the window revokes the family, writes one event and says so in the log',
      ],
    },
    {
      id: 'RFC 9700 2.2.2 b',
      says: 'A refresh token is good in the hands of its own client only.',
      state: 'met',
      tests: ['another client that presents the token learns nothing and harms nothing'],
    },
    {
      id: 'RFC 9700 2.3 a',
      says: 'A token carries the least that its use needs.',
      state: 'met',
      tests: [
        'a client may ask for exactly the scopes it was given',
        'a token request can not widen what was granted',
        'a narrower scope is granted, a wider one is invalid_scope',
      ],
    },
    {
      id: 'RFC 9700 2.3 b',
      says: 'A token names its API, and every other API refuses it.',
      state: 'met',
      tests: [
        'a person signs in, consents, and the client gets an RFC 9068 access token for the resource',
        'a token is refused with ${what}',
        'a token for another API is 401, one without the scope 403 naming it',
      ],
    },
    {
      id: 'RFC 9700 2.3 c',
      says: 'A token is bound to actions, and the API checks them at every request.',
      state: 'met',
      tests: [
        'a token that covers too little is refused with everything that is needed',
        'a scope is compared whole',
        'orders of another person are 403, whether that person exists or not',
      ],
    },
    {
      id: 'RFC 9700 2.4',
      says: 'No app takes a person’s password.',
      state: 'met',
      tests: [
        'implicit and hybrid response types and the password grant are refused',
        'a ${kind} client gets nothing by ${what}',
      ],
    },
    {
      id: 'RFC 9700 2.5 a',
      says: 'Clients that can keep a secret prove themselves.',
      state: 'met',
      tests: ['a client does not get in ${what}', 'the database itself refuses none with client_credentials'],
    },
    {
      id: 'RFC 9700 2.5 b',
      says: 'Best they do so with a private key.',
      state: 'met',
      tests: [
        'an assertion counts once over all instances, at whatever endpoint',
        'an assertion is refused with ${what}',
        'private, symmetric, weak and foreign keys are refused with a reason',
      ],
    },
    {
      id: 'RFC 9700 2.6 a',
      says: 'The server publishes metadata, and clients set themselves up by it.',
      state: 'met',
      tests: [
        'both well-known documents say the same, and each library finds its way by either',
        '${library}: a single-page app completes code and refresh, userinfo and a resource',
      ],
    },
    {
      id: 'RFC 9700 2.6 b',
      says: 'No client can choose an id or claim that looks like a person’s.',
      state: 'met',
      tests: [
        'a machine is the subject of its own token, by an id that the server chose and no person can have',
        'a username can not pass for an id',
      ],
    },
    {
      id: 'RFC 9700 2.6 c',
      says: 'Client and API talk over TLS from end to end.',
      state: 'not applicable',
      note: 'That connection is theirs. The verifier itself takes keys over https only (9.1.3).',
    },
    {
      id: 'RFC 9700 2.6 d',
      says: 'No redirect URI is http, but for a native app on loopback.',
      state: 'not yet',
      tests: [
        'a ${kind} client may not have ${JSON.stringify(uri.slice(0, 60))}',
        'what development left in production must be mended',
      ],
      note: 'Plain http is refused everywhere but on loopback; there it is open to apps of every kind, for development. `grantry doctor` names such clients in production, and people are asked about public ones every time.',
    },
    {
      id: 'RFC 9700 2.6 e',
      says: 'Where an answer travels between windows, both ends are checked.',
      state: 'not applicable',
      tests: [ISSUER_AND_STATE],
      note: 'Answers are redirects or forms; `web_message` is refused.',
    },
    {
      id: 'RFC 9700 2.6 f',
      says: 'Scripts of other origins may reach the token endpoint and the documents, never the authorization endpoint.',
      state: 'met',
      tests: [
        'scripts reach the token endpoint from registered origins only, and the authorization endpoint from none',
      ],
    },
  ],
}

export const attacks: Chapter = {
  name: '§4',
  title: 'Attacks and mitigations',
  clauses: [
    {
      id: 'RFC 9700 4.1.3 a',
      says: 'Redirect URIs are compared character by character, loopback ports apart.',
      state: 'met',
      tests: [
        'nobody is sent to ${what}',
        'a native app may come back to any port of its loopback address, and to nothing else there',
        'an accepted URI means the same to every reader: parsing it and writing it again changes nothing',
      ],
    },
    {
      id: 'RFC 9700 4.1.3 b',
      says: 'The host of a redirect URI sends nobody on to addresses of others.',
      state: 'met',
      tests: ['the pages of ours never follow an address of the request'],
      note: 'That is the account page, the one redirect URI of ours. Those of apps are theirs to guard.',
    },
    {
      id: 'RFC 9700 4.1.3 c',
      says: 'A server may end its redirects with a fragment, so that browsers carry no older one on.',
      state: 'not applicable',
      tests: ['implicit and hybrid response types and the password grant are refused'],
      note: 'No token ever stands in a fragment.',
    },
    {
      id: 'RFC 9700 4.1.3 d',
      says: 'Clients use codes rather than tokens in the redirect.',
      state: 'met',
      tests: [
        'implicit and hybrid response types and the password grant are refused',
        'the page asks as a public client with PKCE, state, nonce and the one resource',
      ],
    },
    {
      id: 'RFC 9700 4.2.4 a',
      says: 'Pages of the authorization endpoint hold nothing of third parties and no links to them.',
      state: 'met',
      tests: [
        'every page is guarded against frames, scripts, caches and stray forms',
        '${name}, ${state}, in ${locale}: a whole document without gaps',
      ],
      note: 'Where an app has a home page, its link tells nobody whence one came.',
    },
    {
      id: 'RFC 9700 4.2.4 b',
      says: 'No Referer leaves a page.',
      state: 'met',
      tests: [
        'every page is guarded against frames, scripts, caches and stray forms',
        'every answer says how long TLS is meant, what may frame it, what it may load and that its type is its type',
      ],
    },
    {
      id: 'RFC 9700 4.2.4 c',
      says: 'A code is bound to a confidential client or a challenge.',
      state: 'met',
      tests: [
        'a code is not redeemed ${what}, and stays good for its owner',
        'a code injected into the session of another client or person gives nothing and harms nothing',
      ],
    },
    {
      id: 'RFC 9700 4.2.4 d',
      says: 'A code is used up by its first use, and a second one ends what the first gave.',
      state: 'met',
      tests: [
        'twenty parallel redemptions of one code: exactly one success',
        'a code redeemed twice revokes the tokens that it issued',
      ],
    },
    {
      id: 'RFC 9700 4.2.4 e',
      says: 'Clients use a state once.',
      state: 'met',
      tests: [CLIENT_CHECKS],
    },
    {
      id: 'RFC 9700 4.2.4 f',
      says: 'An answer can be a form instead of an address.',
      state: 'met',
      tests: ['a form_post answer is a page of ours whose form leads to the client, with everything escaped'],
    },
    {
      id: 'RFC 9700 4.3.1',
      says: 'A code out of the browser’s history is worth nothing.',
      state: 'met',
      tests: [
        'a code lives for a minute',
        'a code redeemed twice revokes the tokens that it issued',
        'playground → sign-in → consent → tokens → API → refresh → replay → events → sign-out',
      ],
    },
    {
      id: 'RFC 9700 4.3.2',
      says: 'No access token is passed in an address.',
      state: 'met',
      tests: [
        'a token counts in one place only: never in the URL, never twice, under no other scheme',
        'malformed or ambiguous credentials are 400 invalid_request',
      ],
    },
    {
      id: 'RFC 9700 4.4.2 a',
      says: 'A client remembers in the browser which server it sent the request to.',
      state: 'not applicable',
      note: 'The playground has one server, out of its configuration.',
    },
    {
      id: 'RFC 9700 4.4.2 b',
      says: 'The server names itself in its answer, and the client stops when it is another.',
      state: 'met',
      tests: [ISSUER_AND_STATE, CLIENT_CHECKS],
    },
    {
      id: 'RFC 9700 4.4.2 c',
      says: 'Where no issuer is named, each server gets a redirect URI of its own.',
      state: 'not applicable',
      tests: [ISSUER_AND_STATE],
      note: 'The issuer is always named.',
    },
    {
      id: 'RFC 9700 4.5.3 a',
      says: 'PKCE makes a code useless in another session.',
      state: 'met',
      tests: [
        'a code is not redeemed ${what}, and stays good for its owner',
        '${library}: an answer with a foreign iss, without one, with another state or nonce is refused',
      ],
    },
    {
      id: 'RFC 9700 4.5.3 b',
      says: 'A client that relies on the nonce checks it before it uses any token.',
      state: 'met',
      tests: ['an ID token of another sign-in is refused', '${what} as state and nonce come back as they were'],
    },
    {
      id: 'RFC 9700 4.6.1',
      says: 'A stolen access token can not be slipped into a client: none comes through the browser.',
      state: 'met',
      tests: ['implicit and hybrid response types and the password grant are refused'],
    },
    {
      id: 'RFC 9700 4.7.1 a',
      says: 'Answers are tied to the browser by state, PKCE or nonce.',
      state: 'met',
      tests: [CLIENT_CHECKS, 'the page asks as a public client with PKCE, state, nonce and the one resource'],
    },
    {
      id: 'RFC 9700 4.7.1 b',
      says: 'A client that relies on PKCE for this makes sure that the server has it.',
      state: 'not applicable',
      tests: [CLIENT_CHECKS],
      note: 'The playground checks the state.',
    },
    {
      id: 'RFC 9700 4.7.1 c',
      says: 'A state that carries something is protected against change.',
      state: 'not applicable',
      tests: ['the page asks as a public client with PKCE, state, nonce and the one resource'],
      note: 'It is a random value and carries nothing.',
    },
    {
      id: 'RFC 9700 4.8.2 a',
      says: 'The challenge is kept with the code, and the code is good only with its verifier.',
      state: 'met',
      tests: ['a code is not redeemed ${what}, and stays good for its owner', 'the challenge itself is no verifier'],
    },
    {
      id: 'RFC 9700 4.8.2 b',
      says: 'A verifier for a code that was asked for without a challenge is refused.',
      state: 'met',
      tests: ['no code comes for ${what}'],
      note: 'There is no such code.',
    },
    {
      id: 'RFC 9700 4.9.3 a',
      says: 'An API that was broken into can not use its tokens elsewhere, for they are bound to a key.',
      ...BINDING,
    },
    {
      id: 'RFC 9700 4.9.3 b',
      says: 'Nor at other APIs, for they name their audience.',
      state: 'met',
      tests: ['a token is refused with ${what}', '${what} opens neither an API nor userinfo'],
    },
    {
      id: 'RFC 9700 4.9.3 c',
      says: 'APIs keep tokens as carefully as other secrets.',
      state: 'met',
      tests: [
        'a fault inside shows nothing but its trace id, which the log has',
        'nothing out of a token or a request is reflected',
      ],
    },
    {
      id: 'RFC 9700 4.10.1',
      says: 'A stolen token needs the key that it is bound to.',
      ...BINDING,
    },
    {
      id: 'RFC 9700 4.10.2',
      says: 'A stolen token is good at one API, which the client names when it asks.',
      state: 'met',
      tests: [
        'a person signs in, consents, and the client gets an RFC 9068 access token for the resource',
        'a resource that exists is invalid_target for a client that is not registered for it, here and at authorize',
      ],
    },
    {
      id: 'RFC 9700 4.11.1',
      says: 'Clients send nobody to an address that they were given.',
      state: 'met',
      tests: [CLIENT_CHECKS, 'a way back that nobody asked for is refused'],
      note: 'After any answer the playground is at its own address.',
    },
    {
      id: 'RFC 9700 4.11.2 a',
      says: 'With a client or redirect URI that does not fit, the server sends the browser nowhere.',
      state: 'met',
      tests: ['nobody is sent to ${what}', '${what} ends on a page of ours'],
    },
    {
      id: 'RFC 9700 4.11.2 b',
      says: 'Before it sends anybody on, the server has them sign in, unless it was asked to be silent.',
      state: 'not yet',
      note: 'An error in the request goes straight back to the registered address of a client that an operator registered, and so trusts. Of clients that registered themselves it stays on a page.',
    },
    {
      id: 'RFC 9700 4.11.2 c',
      says: 'It sends them by itself only to addresses that it trusts.',
      state: 'met',
      tests: [
        'nobody is sent to ${what}',
        'errors stay on a page: prompt=none, a refusal, and a request that is wrong lead nowhere',
        'consent: an address on this very device is warned about, any other is not',
        'a public client on a loopback redirect is asked every time (RFC 8252 §8.6)',
      ],
    },
    {
      id: 'RFC 9700 4.12',
      says: 'After a form with a password the redirect is 303, never 307.',
      state: 'met',
      tests: ['${name}: only the form that this page was given is accepted'],
    },
    {
      id: 'RFC 9700 4.13 a',
      says: 'What a proxy passes on about the caller can not be forged from outside.',
      state: 'met',
      tests: [
        '${name}: ${what} is misdirected',
        "${name}: only the issuer's URLs come of ${what}",
        '${name}: a wrong password counts for the right address behind ${chain}',
        'proxies are trusted by number or network, never by a bare yes',
      ],
    },
    {
      id: 'RFC 9700 4.13 b',
      says: 'The way from the proxy to the server is protected.',
      state: 'not applicable',
      tests: ['TLS in front without TRUST_PROXY must be mended'],
      note: 'That network is the operator’s: keep it private. Whoever reaches the server past the proxy can name any address as the caller’s.',
    },
    {
      id: 'RFC 9700 4.14.2 a',
      says: 'The server decides which clients get refresh tokens.',
      state: 'met',
      tests: ['each kind has defaults that work', 'a ${kind} client gets nothing by ${what}'],
      note: 'The grants of a client are its registration.',
    },
    {
      id: 'RFC 9700 4.14.2 b',
      says: 'A refresh token is bound to the scopes and APIs that the person allowed.',
      state: 'met',
      tests: [
        'a narrower scope is granted, a wider one is invalid_scope',
        'a duplicate that asks for something else is refused and leaves the winner alone',
      ],
    },
    {
      id: 'RFC 9700 4.14.2 c',
      says: 'A replay of a public client’s refresh token is noticed, and ends the family.',
      state: 'met',
      tests: [
        'a reuse after the window revokes the family, writes one event and says so in the log',
        'a reuse after the window, twenty times at once: the family is dead, one event, one log line',
        '${races} races of a refresh against a revocation: nothing that was returned works, and no row is left',
      ],
      note: 'But for the ten seconds of 10.4.5.',
    },
    {
      id: 'RFC 9700 4.14.2 d',
      says: 'A refresh token that tells its family can not be altered.',
      state: 'not applicable',
      note: 'It is a random value, or an HMAC of its predecessor, and tells nothing.',
    },
    {
      id: 'RFC 9700 4.14.2 e',
      says: 'A password change or a logout may end refresh tokens.',
      state: 'met',
      tests: [
        'changing the password ends other sessions and all access, and keeps this browser signed in',
        'signing out of one browser, or a replay in it, leaves the other browser of the same person alone',
        'ending a session takes along what apps in that browser got in it; apps on a device stay',
      ],
    },
    {
      id: 'RFC 9700 4.14.2 f',
      says: 'A refresh token that is not used for long ends.',
      state: 'met',
      tests: ['a refresh token ends when it is idle, and its family at the absolute limit'],
    },
    {
      id: 'RFC 9700 4.15.1',
      says: 'A client can not be taken for a person by its id.',
      state: 'met',
      tests: [
        'a machine is the subject of its own token, by an id that the server chose and no person can have',
        'a machine has no userinfo',
      ],
    },
    {
      id: 'RFC 9700 4.16 a',
      says: 'Sign-in, consent and error pages can not be framed, by policy and by the older header.',
      state: 'met',
      tests: ['every page is guarded against frames, scripts, caches and stray forms'],
    },
    {
      id: 'RFC 9700 4.16 b',
      says: 'Operators can allow chosen origins to frame pages for a client.',
      state: 'not yet',
      note: 'Nobody can: it would take a reason first.',
    },
    {
      id: 'RFC 9700 4.17.2',
      says: 'Messages between windows name their receiver exactly, and the receiver checks the sender.',
      state: 'not applicable',
      tests: [ISSUER_AND_STATE],
      note: 'There are no such messages; the response mode that needs them is refused.',
    },
  ],
}
