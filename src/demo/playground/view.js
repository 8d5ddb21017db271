/** Draws. Everything goes in as text, never as markup: what a server sends can't become part of the page. */
import { shorten } from './oauth.js'
import { meaningOf, timeOf } from './tokens.js'

/**
 * An element. Attributes of value undefined are left out.
 * @param {string} name @param {Record<string, string | undefined>} attributes @param {...(Node | string)} children
 */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(key, value)
  node.append(...children)
  return node
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id))
}

/** Replaces what a region shows, and has its sentence in words read out; not the rest, which is long. @param {string} id @param {...(Node | string)} children */
export function show(id, ...children) {
  const region = byId(id)
  region.replaceChildren(...children)
  region.scrollTop = 0
  const said = region.querySelector('.words')?.textContent
  if (said) byId('announcer').textContent = said
}

/** What happened, in a sentence or two. @param {string} text @param {'good' | 'bad' | 'careful'} [tone] */
export function words(text, tone) {
  return element('p', { class: `words ${tone ?? ''}` }, text)
}

/** @param {'bad' | 'careful'} tone @param {string} title @param {...(Node | string)} children */
export function notice(tone, title, ...children) {
  return element('div', { class: `notice ${tone}` }, element('strong', {}, title), ...children)
}

const SECRETS = new Set(['code', 'code_verifier', 'refresh_token', 'access_token', 'id_token', 'state'])
const REASONS = new Map([
  [200, 'OK'],
  [201, 'Created'],
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [409, 'Conflict'],
  [429, 'Too Many Requests'],
  [503, 'Service Unavailable'],
])

/** Request and response. @param {import('./exchange.js').Exchange} exchange */
export function drawExchange({ method, url, sent, content, status = 0, outcome, headers, body }) {
  const isGood = outcome !== undefined || (status >= 200 && status < 400)
  const answer = outcome ?? (status === 0 ? 'no answer' : `${status} ${REASONS.get(status) ?? ''}`)
  return element(
    'div',
    { class: 'exchange' },
    element('p', { class: 'request' }, element('span', { class: 'tag' }, method), element('code', {}, url)),
    fields(sent),
    ...json(content),
    element('p', { class: 'answer' }, element('span', { class: `tag ${isGood ? 'good' : 'bad'}` }, answer)),
    fields(headers),
    ...json(body),
  )
}

/** @param {Record<string, string>} entries */
function fields(entries) {
  const pairs = Object.entries(entries).flatMap(([name, value]) => [
    element('dt', {}, name),
    element('dd', { class: name === 'www-authenticate' ? 'strong' : undefined }, masked(name, value)),
  ])
  return element('dl', { class: 'fields' }, ...pairs)
}

/** @param {string} name @param {string} value */
function masked(name, value) {
  if (name === 'authorization') return `Bearer ${shorten(value.slice('Bearer '.length))}`
  return SECRETS.has(name) ? shorten(value) : value
}

/** @param {unknown} body */
function json(body) {
  return body === undefined || body === '' ? [] : [element('pre', {}, pretty(body))]
}

/** @param {unknown} body */
function pretty(body) {
  if (typeof body === 'string') return body
  return JSON.stringify(
    body,
    (key, value) => (SECRETS.has(key) && typeof value === 'string' ? shorten(value) : value),
    2,
  )
}

/** A decoded token: header and payload side by side, and each claim in words. @param {{ header: object, payload: object }} token */
export function drawToken({ header, payload }) {
  const half = (/** @type {string} */ title, /** @type {object} */ part) =>
    element('div', {}, element('h3', {}, title), element('pre', {}, JSON.stringify(part, null, 2)))
  const row = (/** @type {[string, unknown]} */ [name, value]) => {
    const time = timeOf(name, value)
    const said = time ? [element('strong', {}, time), ` ${meaningOf(name)}`] : [meaningOf(name)]
    return element('tr', {}, element('th', { scope: 'row' }, element('code', {}, name)), element('td', {}, ...said))
  }
  const head = ['Claim', 'What it says'].map((title) => element('th', { scope: 'col' }, title))
  return element(
    'div',
    { class: 'token' },
    half('Header', header),
    half('Payload', payload),
    element(
      'table',
      { class: 'claims' },
      element('thead', {}, element('tr', {}, ...head)),
      element('tbody', {}, ...Object.entries({ ...header, ...payload }).map(row)),
    ),
  )
}

const STATES = { current: 'in use', used: 'used', replayed: 'came back', dead: 'dead' }

/** The chain of refresh tokens. @param {import('./family.js').Family} family @param {number} secondsLeft of the window of the last but one */
export function drawFamily({ members }, secondsLeft) {
  const node = (/** @type {import('./family.js').Member} */ { token, state }, /** @type {number} */ index) => {
    const isLastUsed = index === members.length - 2
    const note = isLastUsed && state !== 'dead' ? (secondsLeft > 0 ? `window: ${secondsLeft} s` : 'window over') : ''
    return element(
      'li',
      { class: state },
      `Token ${index + 1}`,
      element('code', {}, shorten(token)),
      element('span', { class: 'state' }, STATES[state]),
      element('span', { class: 'note' }, note),
    )
  }
  return element('ol', { class: 'chain' }, ...members.map(node))
}
