/** Whom Grantry believes, and what somebody gets who has come by something that is not theirs. */

export interface Boundary {
  between: string
  rule: string
  tests: readonly string[]
}

export const boundaries: readonly Boundary[] = [
  {
    between: 'the network and the edge',
    rule: 'Nothing of a request is believed: not its host, not whom it says it comes from, not its length. Only the host of `ISSUER` is answered for, and only proxies in `TRUST_PROXY` may name an address.',
    tests: [
      "${name}: only the issuer's URLs come of ${what}",
      '${name}: a wrong password counts for the right address behind ${chain}',
      'a request with ${what} is refused and nothing after it is read',
    ],
  },
  {
    between: 'the browser and the pages',
    rule: 'A cookie names something that the server holds and is signed besides; a form counts with the token that its page was given, from our own origin. Names and texts of users, clients and APIs are text.',
    tests: [
      'a session id without its signature, or with another, is no session',
      '${name}: only the form that this page was given is accepted',
      '${title}: hostile text changes words, never the page',
    ],
  },
  {
    between: 'apps and the protocol',
    rule: 'An app gets what it was registered for and what the person allowed, and no more; a public one could be anybody.',
    tests: [
      'a ${kind} client gets nothing by ${what}',
      'a token request can not widen what was granted',
      'another client that presents the token learns nothing and harms nothing',
    ],
  },
  {
    between: 'the server and APIs',
    rule: 'An API believes the signature of the issuer that it was configured with, by keys from there, and nothing else.',
    tests: [
      '${what} opens neither an API nor userinfo',
      'a key that travels in the header, or is pointed at, is not looked at',
    ],
  },
  {
    between: 'the server and PostgreSQL',
    rule: 'The database is trusted: who may write to it can change users, clients and consents. It does not hold what would let its reader in, and signing keys in it are sealed and can not be exchanged. Its audit log takes no change by any statement; only the role that owns it could take its guards away.',
    tests: [
      'no private half is anywhere in the database in the clear',
      'a public half that was exchanged in the database is not published',
      "entries can't be changed, deleted or truncated by the application's own role",
    ],
  },
  {
    between: 'the operator and everything',
    rule: 'Who has `DATABASE_URL` and `MASTER_KEY` is the operator; the command line asks for nothing more, and records what it did.',
    tests: ['commands are recorded with the account that ran them, and list what was recorded'],
  },
]

export interface Loot {
  what: string
  gets: string
  not: string
  tests: readonly string[]
}

export const loots: readonly Loot[] = [
  {
    what: 'a dump of the database',
    gets: 'Names, e-mail addresses, roles, who uses which app, from which address. Password hashes to guess at, each guess costing 19 MiB and tens of milliseconds, against 15 characters or more.',
    not: 'No code, token, session or secret: those are digests of 256 random bits. No signing key: those are sealed.',
    tests: [
      'no code, token, session or interaction id, secret or password is in the database or the log',
      'a hash is argon2id with 19 MiB, two passes and one lane, and opens for its password alone',
      'no private half is anywhere in the database in the clear',
    ],
  },
  {
    what: 'the log',
    gets: 'When which path was asked for, and the ids of users and clients in what went wrong.',
    not: 'No query, body, cookie, token, password or interaction.',
    tests: [
      'codes, verifiers and tokens are not logged, whether they are good or not',
      'no secret of a client is logged, wherever it was sent',
      'no password is shown, stored or logged, wherever it was typed',
    ],
  },
  {
    what: 'a session cookie',
    gets: 'The person’s sign-in, until it ends or its id changes: their account page, and codes for apps in their name, which go to the apps’ own addresses.',
    not: 'Not the password, and not another one in its place. It ends with sign-out, a password change, its limits, and a minute after the person signs in again.',
    tests: [
      'a stolen id is worth nothing a minute after it changed',
      'a password change with a wrong present password, a mismatch or a weak new one changes nothing',
      'ending another session signs that browser out',
    ],
  },
  {
    what: 'a refresh token',
    gets: 'With a public client’s: tokens for what the person allowed, until thief and owner have both used it. The second use after ten seconds ends the family, for both, and leaves an event.',
    not: 'Nothing without the secret of a confidential client. No other scope or API, nothing after the session, the idle or the absolute limit, and nothing once the person takes the app’s access back.',
    tests: [
      'a reuse after the window revokes the family, writes one event and says so in the log',
      'another client that presents the token learns nothing and harms nothing',
      'revoking an app ends its tokens and asks for consent again',
    ],
  },
  {
    what: 'an access token',
    gets: 'One API, within its scopes, for what is left of five minutes.',
    not: 'No other API, no userinfo, no new token. An opaque one ends with its family; a JWT can not be called back.',
    tests: [
      'a token for an API is refused at userinfo though it is good, and the opaque one at an API',
      'a token is refused with ${what}',
      'a refresh token, an access token and an ID token are no codes',
    ],
  },
  {
    what: 'a client’s secret',
    gets: 'Tokens of the client itself, if it is registered for them, and whatever codes and refresh tokens of it can be stolen besides.',
    not: 'No code without its verifier. A rotation ends the secret, after an overlap or at once.',
    tests: [
      'a code is not redeemed ${what}, and stays good for its owner',
      'a secret ends with its overlap',
      'without an overlap the old secret ends at once',
    ],
  },
  {
    what: 'the master key alone',
    gets: 'Signatures of cookies and forms, and from a session id or refresh token that is known, those that follow it.',
    not: 'No session, token or password that is not known already; no signing key without the database.',
    tests: [
      'a session id without its signature, or with another, is no session',
      'after re-wrapping the old master key can go, and no signing key has changed',
    ],
  },
  {
    what: 'the master key and a dump',
    gets: 'The signing keys: any token for anybody at every API, until the keys are revoked. The sessions of those who are signing in or consenting at that moment. Revoke the keys (`grantry key revoke`), give a new master key, re-wrap, drop the old.',
    not: 'Still no password, no refresh token, and no other session.',
    tests: [
      'a revoked current key leaves the JWKS of every instance at once, and the next one signs',
      'a new master key takes over while the old one still opens, and then without it',
    ],
  },
  {
    what: 'a running process, or its host',
    gets: 'Everything: its memory holds the master key and the signing keys, and its database role owns the tables.',
    not: 'Nothing is kept from it. Take the audit log and the backups to another machine.',
    tests: [],
  },
]
