import type { Locale } from '../locale.ts'
import { de } from './de.ts'
import { en, type Messages } from './en.ts'

const CATALOGUES: Record<Locale, Messages> = { en, de }

/** Everything that the pages say, in one language. */
export function messagesIn(locale: Locale): Messages {
  return CATALOGUES[locale]
}

export type { Messages }
