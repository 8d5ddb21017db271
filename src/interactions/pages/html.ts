/**
 * Text that is already HTML, kept apart by type from text that is not. A catalogue sentence may hold markup around a name,
 * a name itself never can: everything put into an `html` template is escaped unless it is `Html` already.
 */

/** A piece of HTML that is safe to send. Make it with `html` and `isolate`, never by hand. */
export class Html {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  toString(): string {
    return this.#text
  }
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/**
 * Escapes for text and for double-quoted attributes alike. NUL and lone surrogates become U+FFFD, so that what is sent is
 * UTF-8 and what a browser reads is what was written.
 */
export function escapeHtml(text: string): string {
  return text
    .toWellFormed()
    .replaceAll('\0', '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}

/**
 * What a template may print. A missing value is a mistake in a page or its model and must never be read by a person as
 * "undefined".
 *
 * @throws TypeError for anything but text, a finite number or `Html`.
 */
export function toHtml(value: unknown): string {
  if (value instanceof Html) return value.toString()
  if (typeof value === 'string') return escapeHtml(value)
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  throw new TypeError(`a page cannot print ${value === null ? 'null' : typeof value}`)
}

/** Tag of a template whose values are escaped: html`<b>${name}</b>`. */
export function html(parts: TemplateStringsArray, ...values: (string | number | Html)[]): Html {
  return new Html(parts.map((part, index) => (index === 0 ? part : toHtml(values[index - 1]) + part)).join(''))
}

/**
 * One line of text that somebody else chose (a client's or a user's name), made harmless to look at: controls become
 * spaces; bidirectional controls and invisible characters go (Unicode TR 36: they make one name look like another), save
 * the joiners and variation selectors that Persian, Indic scripts and emoji need; no more than four marks stack up on one
 * letter, so that they cannot paint over the lines around.
 */
export function clean(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/(?!\u200c|\u200d|\ufe0e|\ufe0f)\p{Default_Ignorable_Code_Point}/gu, '')
    .replace(/(\p{Mn}{4})\p{Mn}+/gu, '$1')
    .trim()
}

/** `clean(text)`, or `fallback` when nothing is left that can be seen. */
export function visible(text: string, fallback: string): string {
  const cleaned = clean(text)
  return /[\p{L}\p{N}\p{P}\p{S}]/u.test(cleaned) ? cleaned : fallback
}

/** Foreign text for a sentence of ours: cleaned, escaped, and isolated so that right-to-left names leave the rest in place. */
export function isolate(text: string, fallback = '–'): Html {
  return html`<bdi>${visible(text, fallback)}</bdi>`
}

/**
 * The address if a page may link to it, else null. Only http and https, and paths of our own: a client's `javascript:` or
 * `data:` address would run in our origin.
 */
export function linkable(address: string | null): string | null {
  if (address === null) return null
  if (/^\/(?![/\\])[^\p{Cc}\\]*$/u.test(address)) return address
  const url = URL.parse(address)
  return url !== null &&
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    url.username === '' &&
    url.password === ''
    ? url.href
    : null
}
