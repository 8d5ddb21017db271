/** The languages that the pages speak; the first is the one for everybody else. */
export const LOCALES = ['en', 'de'] as const

export type Locale = (typeof LOCALES)[number]

export interface LanguageWishes {
  /** `ui_locales` of the authentication request (OpenID Connect Core §3.1.2.1): language tags by preference, space-separated. */
  uiLocales?: string | undefined
  /** The `Accept-Language` header (RFC 9110 §12.5.4). */
  acceptLanguage?: string | undefined
}

// Both come from outside. No browser sends more than a few hundred characters; the rest is not worth our time.
const LONGEST = 1000

/**
 * The language to answer in: the first wish of `ui_locales` that we speak, else of `Accept-Language`, else English.
 * Matching is the look-up of RFC 4647 §3.4. Malformed input is passed over, never an error.
 */
export function chooseLocale({ uiLocales, acceptLanguage }: LanguageWishes): Locale {
  return firstSpoken(text(uiLocales).split(' ')) ?? firstSpoken(rangesByQuality(text(acceptLanguage))) ?? 'en'
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, LONGEST) : ''
}

function firstSpoken(ranges: string[]): Locale | undefined {
  for (const range of ranges) {
    const locale = lookUp(range)
    if (locale) return locale
  }
  return undefined
}

/** RFC 4647 §3.4: cut the range from its end until something that we speak is left; a lone `*` says nothing. */
function lookUp(range: string): Locale | undefined {
  if (!/^[a-z]{1,8}(?:-[a-z0-9*]{1,8})*$/i.test(range)) return undefined
  for (let tag = range.toLowerCase(); tag !== ''; tag = tag.slice(0, Math.max(0, tag.lastIndexOf('-')))) {
    const locale = LOCALES.find((known) => known === tag)
    if (locale) return locale
  }
  return undefined
}

/** RFC 9110 §12.4.2: higher quality first, in order of appearance among equals; `q=0` means "not acceptable". */
function rangesByQuality(header: string): string[] {
  return header
    .split(',')
    .map((item) => {
      const [range = '', ...parameters] = item.split(';').map((part) => part.trim())
      return { range, quality: quality(parameters) }
    })
    .filter(({ quality: q }) => q > 0)
    .sort((a, b) => b.quality - a.quality)
    .map(({ range }) => range)
}

function quality(parameters: string[]): number {
  const weight = parameters.find((parameter) => /^q=/i.test(parameter))
  if (weight === undefined) return 1
  return /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i.test(weight) ? Number(weight.slice(2)) : 0
}
