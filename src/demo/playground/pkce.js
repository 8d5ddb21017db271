/** Proof Key for Code Exchange (RFC 7636), with S256. */

/** 256 random bits, 43 characters: for verifiers, states and nonces. */
export function randomText() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)))
}

/** A verifier to keep, and its hash to send. */
export async function createPkce() {
  const verifier = randomText()
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return { verifier, challenge: base64url(new Uint8Array(digest)) }
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
