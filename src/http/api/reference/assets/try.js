/** Sends the request of an operation's form and shows what comes back. */
import { element } from './dom.js'
import { authorization, current } from './sign-in.js'

/** The last ETag of each URL, for If-Match. @type {Map<string, string>} */
const etags = new Map()

/** Unfolds an operation's form, made from its template. @param {HTMLButtonElement} button @param {string} base */
export function openForm(button, base) {
  const id = button.dataset.try ?? ''
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(`${id}-form`))
  template.after(template.content.cloneNode(true))
  const form = /** @type {HTMLFormElement} */ (template.nextElementSibling)
  button.setAttribute('aria-expanded', 'true')
  button.hidden = true
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void send(form, base)
  })
  form.addEventListener('change', () => suggest(form, base))
  suggest(form, base)
  const first = /** @type {HTMLElement | null} */ (form.querySelector('input, select, textarea, button'))
  first?.focus()
}

/** Fills in what a person would have to look up: a fresh key, the ETag that was seen last. @param {HTMLFormElement} form @param {string} base */
function suggest(form, base) {
  const key = field(form, 'header', 'Idempotency-Key')
  if (key && key.value === '') key.value = crypto.randomUUID()
  const match = field(form, 'header', 'If-Match')
  const seen = etags.get(addressOf(form, base))
  if (match && match.value === '' && seen) match.value = seen
}

/** @param {HTMLFormElement} form @param {string} place @param {string} name @returns {HTMLInputElement | undefined} */
function field(form, place, name) {
  return fields(form, place).find((input) => input.name === name)
}

/** @param {HTMLFormElement} form @param {string} place @returns {HTMLInputElement[]} */
function fields(form, place) {
  return [...form.elements].filter((input) => input.dataset.in === place)
}

/** Without the query. @param {HTMLFormElement} form @param {string} base */
function addressOf(form, base) {
  const path = fields(form, 'path').reduce(
    (filled, { name, value }) => filled.replace(`{${name}}`, encodeURIComponent(value)),
    form.dataset.path ?? '',
  )
  return base + path
}

/** @param {HTMLFormElement} form @param {string} base */
async function send(form, base) {
  const outcome = /** @type {HTMLElement} */ (form.querySelector('.outcome'))
  const result = /** @type {HTMLElement} */ (form.querySelector('.result'))
  outcome.replaceChildren('Sending…')
  const url = new URL(addressOf(form, base))
  for (const { name, value } of fields(form, 'query')) if (value !== '') url.searchParams.set(name, value)
  const headers = new Headers()
  const started = performance.now()
  try {
    for (const { name, value } of fields(form, 'header')) if (value !== '') headers.set(name, value)
    const [body] = fields(form, 'body')
    if (body && !headers.has('content-type')) headers.set('content-type', body.dataset.type ?? 'application/json')
    for (const [name, value] of Object.entries(await authorization())) headers.set(name, value)
    const answer = await fetch(url, {
      method: form.dataset.method,
      headers,
      body: body?.value,
      credentials: 'omit',
      cache: 'no-store',
    })
    const text = await answer.text()
    remember(url, answer)
    const ms = Math.round(performance.now() - started)
    outcome.replaceChildren(statusOf(answer), element('span', {}, `in ${ms} ms`), element('span', {}, hintOf(answer)))
    result.replaceChildren(...drawAnswer(answer, text))
    result.hidden = false
    outcome.scrollIntoView({ block: 'nearest' })
    // A form is sent once: the next request is another one.
    const key = field(form, 'header', 'Idempotency-Key')
    if (key && answer.ok) key.value = crypto.randomUUID()
  } catch (error) {
    const reason = error instanceof TypeError ? 'No answer came, or the request can’t be sent like this.' : ''
    outcome.replaceChildren(
      element('span', { class: 'status' }, 'failed'),
      reason || /** @type {Error} */ (error).message,
    )
    result.hidden = true
  }
}

/** @param {URL} url @param {Response} answer */
function remember(url, answer) {
  const etag = answer.headers.get('etag')
  if (answer.ok && etag && !etag.startsWith('W/')) etags.set(url.origin + url.pathname, etag)
}

/** @param {Response} answer */
function statusOf({ status, statusText, ok }) {
  return element('span', { class: ok ? 'status good' : 'status' }, `${status} ${statusText}`.trim())
}

/** @param {Response} answer */
function hintOf({ status }) {
  if (status === 401)
    return current() ? 'The credentials do not count here.' : 'Add credentials first: the button is on top of the page.'
  if (status === 403) return 'The credentials do not cover this.'
  return ''
}

/** What every page of the server says to browsers, and what tells nothing about the API. */
const NOISE =
  /^(?:connection|content-security-policy|cross-origin-.*|date|keep-alive|permissions-policy|referrer-policy|strict-transport-security|x-content-type-options|x-frame-options)$/

/** @param {Response} answer @param {string} text */
function drawAnswer({ headers }, text) {
  const told = [...headers].filter(([name]) => !NOISE.test(name))
  const pairs = told.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])
  const content = text === '' ? 'none' : pretty(text)
  return [
    element('h4', {}, 'Content'),
    element('pre', { tabindex: '0', role: 'group', 'aria-label': 'Content of the answer' }, content),
    element('h4', {}, 'Headers'),
    element('dl', { class: 'headers' }, ...pairs),
  ]
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
