/** In which language a caller wants to be told what went wrong. */
import { weightedList } from './header-list.ts'

export type Language = 'en' | 'de'

/**
 * The first of our languages by weight, by lookup (RFC 4647 §3.4): `de-CH` is content with `de`. English when none of them
 * is wanted: an error in a foreign language is better than none.
 */
export function languageOf(acceptLanguage: string): Language {
  const wanted = weightedList(acceptLanguage)
    .filter(({ q }) => q > 0)
    .sort((a, b) => b.q - a.q)
  for (const { value } of wanted) {
    const [primary] = value.split('-')
    if (primary === 'de' || primary === 'en') return primary
    if (primary === '*') return 'en'
  }
  return 'en'
}
