/**
 * Credentials for trying operations out: an access token got as an ordinary public client (authorization code with PKCE), or
 * an API key. They live in this module and go with the tab; only what the way back is checked against passes through
 * sessionStorage.
 */

/** @typedef {{ issuer: string, client_id: string, redirect_uri: string, resource: string, scopes: string[] }} SignIn */
/** @typedef {{ token: string, kind: 'token' | 'key', scopes: string[], expiresAt?: number, refreshToken?: string }} Credentials */

const PENDING = 'grantry-reference-sign-in'
/** A token that ends within this time is renewed before it is used. */
const MARGIN_MS = 10_000

/** @type {Credentials | undefined} */
let credentials
/** @type {SignIn | undefined} */
let settings
/** @type {Promise<void> | undefined} */
let renewal

/** Something that stands in the way, in words for the person. */
export class SignInError extends Error {}

/** How to sign in; undefined when nobody can. @param {string | undefined} url @returns {Promise<SignIn | undefined>} */
export async function prepare(url) {
  if (!url) return undefined
  const answer = await fetch(url, { credentials: 'omit' })
  const found = answer.status === 200 ? await answer.json() : {}
  settings = found.client_id ? found : undefined
  return settings
}

/** What is held now. */
export function current() {
  return credentials
}

/** @param {string} key */
export function useKey(key) {
  credentials = { token: key, kind: 'key', scopes: [] }
}

export function forget() {
  credentials = undefined
}

/** The header of a request; nothing without credentials. @returns {Promise<Record<string, string>>} */
export async function authorization() {
  if (credentials?.refreshToken && (credentials.expiresAt ?? 0) - Date.now() < MARGIN_MS) {
    // One at a time: a refresh token works once.
    renewal ??= renew(credentials.refreshToken).finally(() => (renewal = undefined))
    await renewal
  }
  return credentials ? { authorization: `Bearer ${credentials.token}` } : {}
}

/** Sends the browser to the authorization server; it comes back to the same operation. */
export async function begin() {
  const { client_id, redirect_uri, resource, scopes } = known()
  const { authorization_endpoint } = await discover()
  const [verifier, state] = [randomText(), randomText()]
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state, hash: location.hash }))
  const url = new URL(authorization_endpoint)
  const parameters = {
    response_type: 'code',
    client_id,
    redirect_uri,
    resource,
    scope: scopes.join(' '),
    state,
    code_challenge: await digest(verifier),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  location.assign(url)
}

/** Trades the code of the way back for a token. @param {URL} url @returns {Promise<string>} the fragment to return to */
export async function complete(url) {
  const text = sessionStorage.getItem(PENDING)
  sessionStorage.removeItem(PENDING)
  const pending = text ? JSON.parse(text) : undefined
  const answer = Object.fromEntries(url.searchParams)
  if (!pending)
    throw new SignInError('This sign-in was finished already, or was started in another tab. Sign in again.')
  // An answer that this tab didn't ask for could plant somebody else's session here (RFC 9700 §4.7).
  if (answer.state !== pending.state) throw new SignInError('The answer does not belong to this sign-in.')
  // RFC 9207: an answer from another server must not get our code traded (mix-up).
  if (answer.iss !== known().issuer) throw new SignInError('The answer comes from another issuer.')
  if (answer.error) throw new SignInError(inWords(answer))
  await requestToken({
    grant_type: 'authorization_code',
    code: answer.code,
    redirect_uri: known().redirect_uri,
    code_verifier: pending.verifier,
  })
  return pending.hash
}

/** @param {string} refreshToken */
async function renew(refreshToken) {
  try {
    await requestToken({ grant_type: 'refresh_token', refresh_token: refreshToken })
  } catch (error) {
    forget()
    throw error
  }
}

/** @param {Record<string, string>} parameters */
async function requestToken(parameters) {
  const { client_id, resource } = known()
  const { token_endpoint } = await discover()
  const body = new URLSearchParams({ ...parameters, client_id, resource })
  const answer = await fetch(token_endpoint, { method: 'POST', body, credentials: 'omit', redirect: 'error' })
  const found = await answer.json()
  if (!answer.ok) throw new SignInError(`The server gave no token: ${found.error_description ?? found.error}.`)
  credentials = {
    token: found.access_token,
    kind: 'token',
    scopes: (found.scope ?? '').split(' ').filter(Boolean),
    expiresAt: Date.now() + found.expires_in * 1000,
    refreshToken: found.refresh_token,
  }
}

async function discover() {
  const { issuer } = known()
  const answer = await fetch(`${issuer}/.well-known/openid-configuration`, { credentials: 'omit' }).catch(
    () => undefined,
  )
  if (answer?.status !== 200) throw new SignInError(`The authorization server at ${issuer} does not answer.`)
  const metadata = await answer.json()
  // RFC 8414 §3.3: a document that names another issuer is not this issuer's.
  if (metadata.issuer !== issuer) throw new SignInError(`The document at ${issuer} belongs to another issuer.`)
  return metadata
}

function known() {
  if (!settings) throw new SignInError('This page has no client to sign in with. Use an API key.')
  return settings
}

/** @param {Record<string, string>} answer */
function inWords({ error, error_description: description }) {
  if (error === 'access_denied') return 'You declined, so this page got nothing.'
  return `The server refused: ${error}${description ? ` (${description})` : ''}.`
}

function randomText() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)))
}

/** @param {string} verifier */
async function digest(verifier) {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))))
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
