/** One HTTP exchange, done and remembered for showing. */

/**
 * @typedef {object} Exchange
 * @property {string} method
 * @property {string} url
 * @property {Record<string, string>} sent header fields or form parameters, as they may be shown
 * @property {unknown} [content] the JSON that was sent
 * @property {number} [status] 0 when no answer came
 * @property {string} [outcome] what came instead of a status
 * @property {Record<string, string>} headers the response headers worth showing
 * @property {any} [body] parsed JSON, or text
 */

const SHOWN_HEADERS = new Set([
  'www-authenticate',
  'location',
  'etag',
  'link',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'content-type',
])

/**
 * Never throws: that nobody answers is a result as well.
 * @param {string} url
 * @param {{ method?: string, headers?: Record<string, string>, form?: Record<string, string>, json?: unknown }} [options]
 * @returns {Promise<Exchange & { status: number }>}
 */
export async function exchange(url, { method = 'GET', headers = {}, form, json } = {}) {
  const sent = form ?? headers
  const body = form ? new URLSearchParams(form) : json === undefined ? undefined : JSON.stringify(json)
  const init = { method, headers, body, credentials: 'omit', cache: 'no-store', redirect: 'error' }
  try {
    const response = await fetch(url, /** @type {RequestInit} */ (init))
    const text = await response.text()
    return {
      method,
      url,
      sent,
      content: json,
      status: response.status,
      headers: shownHeaders(response),
      body: parse(text),
    }
  } catch {
    return { method, url, sent, content: json, status: 0, headers: {}, body: undefined }
  }
}

/** @param {Response} response */
function shownHeaders({ headers }) {
  return Object.fromEntries([...headers].filter(([name]) => SHOWN_HEADERS.has(name)))
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
