/** What was attacked on purpose, and the tests that are left of it. */

export interface Hardening {
  what: string
  how: string
  tests: readonly string[]
}

export const hardenings: readonly Hardening[] = [
  {
    what: 'Races and crashes',
    how: 'Two processes on one database, each statement delayed, held at a barrier, or cut off with its process after so many messages.',
    tests: [
      'twenty parallel redemptions of one code, ${rounds} rounds: one success, one unconsumed row',
      'twenty parallel refreshes, ${rounds} rounds: twenty answers, one successor, one unconsumed row',
      'another wish inside the window, ${rounds} rounds: refused, and the winner lives',
      'the old token at 0, 3, 6 and 9 s, ${rounds} rounds: the same successor; at 12 s: none, and the family is dead',
      '${races} races of a refresh against a revocation: nothing that was returned works, and no row is left',
      'five parallel resumes of one approved interaction, ${rounds} rounds: one code',
      'six parallel approvals of one interaction, ${rounds} rounds: one code, one consent, and it works',
      '${end} during ${request}: nothing that was issued works afterwards',
      'killed in a refresh: the retry on another process succeeds every time',
      'killed in a code exchange: never two token sets, never a family that can not be ended',
      'killed in the middle of a turn-over: wholly done or not at all, and the next start goes on',
      'kill -9 of one of two processes under traffic: the other answers, and every client goes on',
      'keys turn over five times under traffic: no verification fails, and a hint signed by the first still logs out',
      'a migrator that is killed leaves neither a lock nor half a migration',
    ],
  },
  {
    what: 'Sessions, consents, token families',
    how: 'One person in two browsers; withdrawal, limits, password change, disabling and deleting in the middle of everything.',
    tests: [
      'signing out of one browser, or a replay in it, leaves the other browser of the same person alone',
      'withdrawing takes the consents and every token family of that app, and of no other',
      'revoking an app ends its tokens and asks for consent again',
      'a session that is not used ends, and each use puts that off',
      'a session ends at its absolute limit, however much it is used',
      'a refresh token ends when it is idle, and its family at the absolute limit',
      'changing the password is one transaction: when its event can not be written, nothing has changed',
      'a disabled user: every endpoint refuses in its own words, and opening the account again revives nothing',
      'a deleted client: every endpoint refuses in its own words',
      'signing out of one app only keeps the session, and the tokens of the others',
      'a grant that vanished: its tokens are refused, and the same session gets a new one',
      're-enabling revives nothing, not even what slipped in while the account was shut',
    ],
  },
  {
    what: 'Secrets',
    how: 'Every flow is run, every secret it issued remembered, and then looked for in a dump of the database and in the log.',
    tests: [
      'no code, token, session or interaction id, secret or password is in the database or the log',
      'no entry of any verb holds a secret or password, nor its digest or hash, in any spelling',
      'what was on its way when a connection broke is not in the log',
      'no private half is anywhere in the database in the clear',
      'a new master key takes over while the old one still opens, and then without it',
      'a start with another master key is refused in one line that names the wanted key and how to give it',
      're-wrapping without the old master key changes nothing',
    ],
  },
  {
    what: 'The edge',
    how: 'Forged hosts and proxy headers, smuggled and endless requests, slow clients, floods of strangers and of guesses.',
    tests: [
      '${name}: ${what} is misdirected',
      "${name}: only the issuer's URLs come of ${what}",
      '${name}: pages, forms and redirects of a sign-in know no host but ours',
      '${name}: a wrong password counts for the right address behind ${chain}',
      'a request with ${what} is refused and nothing after it is read',
      'a body of five megabytes is refused with an answer that arrives',
      'clients that send a byte now and then are given up, and the others do not wait for them',
      'behind TLS cookies carry the prefixes that pin them, and HSTS is set',
      'an address gets its burst, then what it earns back, and others are not touched',
      'expired rows go in batches, live ones stay, and locked ones are not waited for',
      'an unknown account takes as long as a known one',
      'guesses at one account from many addresses, all at once, are slowed down after six',
    ],
  },
  {
    what: '`grantry doctor`',
    how: 'An installation is broken in each way that is known, and the finding and its mend are read.',
    tests: [
      'a sound installation needs no mending',
      'a proxy that does not pass the host on is named, with the mend',
      'TLS in front without TRUST_PROXY must be mended',
      'keys that do not turn over are found',
      'what development left in production must be mended',
      'production refuses every development default',
    ],
  },
  {
    what: 'The audit log',
    how: 'Every verb is used, its entry taken away from it, and the log attacked by the application’s own role.',
    tests: [
      'every verb records what it did; an entry that fails stops the change, a change that fails leaves no entry',
      "entries can't be changed, deleted or truncated by the application's own role",
      'of an update the entry holds the fields that changed, before and after, and no others',
      'what a person does in a browser is recorded with address, browser and trace; what we do ourselves, as ours',
      'of a deleted person no name, address or browser is left anywhere in the database',
      'what they did stays, under one pseudonym, and nobody else loses anything',
    ],
  },
  {
    what: 'Whatever anybody may send',
    how: 'Generated and hand-picked nonsense for every path, parameter, header, form, token and text.',
    tests: [
      '${path}: every method gets an answer of its own',
      '${path}: no query makes it fail',
      '${path}: no body makes it fail',
      'odd headers make nothing fail',
      'no mixture of parameters makes any endpoint fail, stall, leak or redirect astray (${RUNS} mixtures)',
      'whatever stands in place of a token is refused with 401, never with an exception of another kind',
      'an accepted URI means the same to every reader: parsing it and writing it again changes nothing',
      '${title}: hostile text changes words, never the page',
      '${name}: a normal form is its own normal form',
      'a service gets exactly what it asks for when all of it is registered, and invalid_scope otherwise',
      'a verifier opens a code exactly when its S256 is the challenge (RFC 7636 §4.6)',
      'no code comes for ${what}',
      '${what} is an ordinary wrong sign-in',
    ],
  },
  {
    what: 'These notes',
    how: 'Clauses, titles and levels are held against the sources and the standards.',
    tests: [
      'docs/security.md and its picture are what the clauses and tests say now',
      'every test that is named stands in the sources once',
      'every clause of the walked chapters is there once, in order, with its level',
    ],
  },
]
