/**
 * The client's side of OAuth: authorization code with PKCE, refresh, and sign-out, as an ordinary public client. Tokens are
 * returned, never stored; only what must survive the way to the server and back passes through the tab's sessionStorage.
 */
import { exchange } from './exchange.js'
import { createPkce, randomText } from './pkce.js'
import { decode } from './tokens.js'

/**
 * @typedef {{ issuer: string, client_id: string, resource: string, api: string }} Config
 * @typedef {Record<string, any>} Metadata
 * @typedef {import('./exchange.js').Exchange} Exchange
 */

export const SCOPE = 'openid profile email orders:read orders:write'
const PENDING = 'grantry-playground-sign-in'

/** Something that stands in the way, in words for the person. */
export class SignInError extends Error {
  /** @param {string} message @param {Exchange[]} [exchanges] */
  constructor(message, exchanges = []) {
    super(message)
    this.exchanges = exchanges
  }
}

/** @param {Config} config @returns {Promise<Metadata>} */
export async function discover({ issuer }) {
  const { status, body } = await exchange(`${issuer}/.well-known/openid-configuration`)
  if (status !== 200)
    throw new SignInError(`The authorization server at ${issuer} does not answer. Start it, then reload this page.`)
  // RFC 8414 §3.3: a document that names another issuer is not this issuer's.
  if (body?.issuer !== issuer) throw new SignInError(`The document at ${issuer} belongs to another issuer.`)
  return body
}

/**
 * Where to send the browser. Remembers what the way back will be checked against.
 * @param {Config} config @param {Metadata} metadata
 */
export async function beginSignIn(config, metadata) {
  const { verifier, challenge } = await createPkce()
  const pending = { state: randomText(), nonce: randomText(), verifier }
  sessionStorage.setItem(PENDING, JSON.stringify(pending))
  return withParameters(metadata.authorization_endpoint, {
    response_type: 'code',
    client_id: config.client_id,
    redirect_uri: redirectUri(config),
    scope: SCOPE,
    resource: config.resource,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  })
}

/** Whether an address is the way back from the server. @param {URL} url */
export function isReturn(url) {
  return url.pathname === '/callback'
}

/**
 * Trades the code of the way back for tokens.
 * @param {Config} config @param {Metadata} metadata @param {URL} url
 * @returns {Promise<{ tokens: any, exchanges: Exchange[] }>}
 */
export async function completeSignIn(config, metadata, url) {
  const pending = takePending()
  const answer = Object.fromEntries(url.searchParams)
  if (!pending)
    throw new SignInError('This sign-in was finished already, or was started in another tab. Sign in again.')
  // An answer that this tab didn't ask for could plant somebody else's session here (RFC 9700 §4.7).
  if (answer.state !== pending.state)
    throw new SignInError('The answer does not belong to this sign-in (its state differs). Nothing was accepted.')
  // RFC 9207: an answer from another server must not get our code traded (mix-up).
  if (answer.iss !== config.issuer) throw new SignInError('The answer comes from another issuer. Nothing was accepted.')
  if (answer.error) throw new SignInError(inWords(answer))
  const way = {
    method: 'GET',
    url: metadata.authorization_endpoint,
    sent: { response_type: 'code', scope: SCOPE, resource: config.resource, code_challenge_method: 'S256' },
    outcome: 'back by redirect',
    headers: {
      location: `${redirectUri(config)}?code=${shorten(answer.code)}&state=${shorten(answer.state)}&iss=${answer.iss}`,
    },
  }
  const trade = await requestTokens(config, metadata, {
    grant_type: 'authorization_code',
    code: answer.code,
    redirect_uri: redirectUri(config),
    code_verifier: pending.verifier,
  })
  const exchanges = [way, trade]
  if (trade.status !== 200) throw new SignInError('The server refused the code.', exchanges)
  // OpenID Connect Core §3.1.3.7; it came from the token endpoint itself, so its signature may go unchecked (item 6).
  const { iss, aud, nonce } = decode(trade.body.id_token ?? '')?.payload ?? {}
  if (iss !== config.issuer || ![aud].flat().includes(config.client_id) || nonce !== pending.nonce) {
    throw new SignInError('The ID token does not belong to this sign-in. Nothing was accepted.', exchanges)
  }
  return { tokens: trade.body, exchanges }
}

/** @param {Config} config @param {Metadata} metadata @param {string} refreshToken @returns {Promise<Exchange>} */
export function refresh(config, metadata, refreshToken) {
  return requestTokens(config, metadata, { grant_type: 'refresh_token', refresh_token: refreshToken })
}

/** RP-initiated logout: where to send the browser. @param {Config} config @param {Metadata} metadata @param {string} [idToken] */
export function signOutUrl(config, metadata, idToken) {
  return withParameters(metadata.end_session_endpoint, {
    client_id: config.client_id,
    post_logout_redirect_uri: `${config.resource}/`,
    ...(idToken && { id_token_hint: idToken }),
  })
}

/** @param {Config} config @param {Metadata} metadata @param {Record<string, string>} parameters */
async function requestTokens(config, metadata, parameters) {
  const form = { ...parameters, client_id: config.client_id, resource: config.resource }
  return exchange(metadata.token_endpoint, { method: 'POST', form })
}

/** @param {Config} config */
function redirectUri({ resource }) {
  return `${resource}/callback`
}

/** What this tab asked for; asked for once. @returns {{ state: string, nonce: string, verifier: string } | undefined} */
function takePending() {
  const text = sessionStorage.getItem(PENDING)
  sessionStorage.removeItem(PENDING)
  return text ? JSON.parse(text) : undefined
}

/** @param {Record<string, string>} answer */
function inWords({ error, error_description: description }) {
  if (error === 'access_denied') return 'You declined, so this page got nothing. Sign in again whenever you like.'
  return `The server refused: ${error}${description ? ` (${description})` : ''}.`
}

/** @param {string} endpoint @param {Record<string, string>} parameters */
function withParameters(endpoint, parameters) {
  const url = new URL(endpoint)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** As much of a secret as may be shown. @param {string} [secret] */
export function shorten(secret = '') {
  return secret.length > 16 ? `${secret.slice(0, 6)}…${secret.slice(-4)}` : secret
}
