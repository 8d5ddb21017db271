/** Text that an attacker would register, type or send, and every place of a model where it could end up. */
import type { PageModels, PageName } from '../../src/interactions/pages/models.ts'
import { SAMPLES } from './samples.ts'

export const NASTY = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onfocus='alert(1)' autofocus='",
  '</title></main><base href=//evil.example>',
  '<!--',
  ']]>',
  '&lt;script&gt;',
  '&#x3c;',
  'javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  '//evil.example',
  '<%= it.page %>',
  '%>',
  '${7*7}',
  '{{7*7}}',
  '`',
  '\\',
  '\u202Eevil',
  '\0',
  '\uD800',
  '\uDC00\uD83D',
  '\r\n\r\n',
  '\u2028',
  '__proto__',
  'constructor',
]

export interface Place {
  page: PageName
  /** The place with its indices, for a title: `consent.scopes.0.items.1.name`. */
  title: string
  /** The place without them: `consent.scopes.items.name`. */
  field: string
  /** The model with `text` in this place; of a sample, or of a model that was filled already. */
  fill: (text: string, model?: PageModels[PageName]) => PageModels[PageName]
}

/** Fields that choose among known words; the type keeps everything else out. */
const CHOICES = new Set([
  'login.error',
  'consent.offline.bound',
  'device.problem',
  'device-done.outcome',
  'account.notice',
])

/** The states that together show every field of their page. */
const STATES: [PageName, string][] = [
  ['login', 'wrong'],
  ['consent', 'usual'],
  ['device', 'unknown'],
  ['device-done', 'approved'],
  ['logout', 'asked'],
  ['logged-out', 'app'],
  ['error', 'full'],
  ['expired', 'restart'],
  ['account', 'refused'],
]

/** Every place where text from elsewhere enters a page. */
export const PLACES: Place[] = STATES.flatMap(([page, state]) => {
  const sample = (SAMPLES[page] as Record<string, PageModels[PageName]>)[state]
  if (sample === undefined) throw new Error(`there is no sample ${page} ${state}`)
  return textFields(sample)
    .map((path) => ({
      page,
      title: [page, ...path].join('.'),
      field: [page, ...path.filter((key) => typeof key === 'string')].join('.'),
      fill: (text: string, model = sample) => withField(model, path, text),
    }))
    .filter(({ field }) => !CHOICES.has(field))
})

/** This page with every kind of hostile text in every place at once. */
export function drown(page: PageName): PageModels[PageName] | undefined {
  const text = NASTY.join(' ')
  return PLACES.filter((place) => place.page === page).reduce<PageModels[PageName] | undefined>(
    (model, { fill }) => fill(text, model),
    undefined,
  )
}

type Path = (string | number)[]

function textFields(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'string') return [path]
  if (typeof value !== 'object' || value === null || value instanceof Date) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    textFields(inner, [...path, Array.isArray(value) ? Number(key) : key]),
  )
}

function withField<T>(value: T, [key, ...rest]: Path, text: string): T {
  if (key === undefined) return text as T
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string | number, unknown>
  copy[key] = withField(copy[key], rest, text)
  return copy as T
}
