/** Reads tokens and puts them into words. Reading is not verifying: that is for whom a token is meant. */

/** @param {string} token @returns {{ header: Record<string, any>, payload: Record<string, any> } | undefined} undefined when it is no JWT */
export function decode(token) {
  try {
    const [header = '', payload = ''] = token.split('.')
    return { header: decodePart(header), payload: decodePart(payload) }
  } catch {
    return undefined
  }
}

/** @param {string} part */
function decodePart(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
    character.charCodeAt(0),
  )
  return JSON.parse(new TextDecoder().decode(bytes))
}

/** @type {Record<string, string>} */
const MEANINGS = {
  alg: 'Algorithm of the signature. The API accepts only algorithms it has chosen, never whatever a token says.',
  kid: 'Which of the issuer’s published keys made the signature. Keys change by themselves; this finds the right one.',
  typ: 'Kind of token. “at+jwt” is an access token; an API must refuse anything else, an ID token for example.',
  iss: 'Issuer: who made this token. Must be exactly the server that the reader trusts.',
  sub: 'Subject: who you are, as an id that never changes. Names and addresses may change; this is what to store.',
  aud: 'Audience: for whom the token is. Everybody else must refuse it.',
  client_id: 'The app that asked for it: this page.',
  scope: 'What the holder may do, as you agreed.',
  exp: 'Expires at. Afterwards nobody accepts it.',
  iat: 'Issued at.',
  nbf: 'Not valid before.',
  jti: 'Id of this one token, for logs and for spotting repeats.',
  auth_time: 'When you last proved who you are. An API may ask for a fresh sign-in.',
  acr: 'How strongly you proved who you are.',
  amr: 'By which means: a password, a passkey, …',
  roles: 'Your roles. The orders API lets “orders-admin” see everybody’s orders.',
  sid: 'Your session at the server; lets it end your session here as well.',
  nonce: 'The random value this page sent along: proof that the token answers this very sign-in.',
  at_hash: 'Ties the ID token to the access token it came with.',
  azp: 'The app that the token was issued to.',
  name: 'Your name, because this page asked for “profile”.',
  given_name: 'Your first name.',
  family_name: 'Your last name.',
  preferred_username: 'The name you sign in with.',
  locale: 'Your language.',
  updated_at: 'When your profile last changed.',
  email: 'Your address, because this page asked for “email”.',
  email_verified: 'Whether the server knows that the address is yours.',
  cnf: 'Binds the token to a key: whoever steals the token alone has nothing.',
}

const TIMES = new Set(['exp', 'iat', 'nbf', 'auth_time', 'updated_at'])

/** What a claim means. @param {string} name */
export function meaningOf(name) {
  return Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : 'Particular to this server.'
}

/** A point in time as a person reads it; undefined for other claims. @param {string} name @param {unknown} value */
export function timeOf(name, value) {
  if (!TIMES.has(name) || typeof value !== 'number') return undefined
  const time = new Date(value * 1000)
  const isToday = time.toDateString() === new Date().toDateString()
  return isToday ? `${time.toLocaleTimeString()}.` : `${time.toLocaleString()}.`
}
