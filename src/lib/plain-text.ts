/** Control characters, line and paragraph separators, lone surrogates, and what turns the reading direction round. */
const TREACHEROUS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u

/** One normal form for text that people read: NFC, no space at the ends. */
export function normalText(text: string): string {
  return text.normalize('NFC').trim()
}

/**
 * What is wrong with a line of text that people will read, as the end of a sentence; undefined when nothing is. Refuses
 * what would let a name pose as another on a consent page (bidirectional overrides) or break a log line or the database
 * (control characters, NUL, lone surrogates). Length counts code points, as PostgreSQL does.
 */
export function plainTextProblem(text: string, most: number): string | undefined {
  const length = Array.from(text).length
  if (length === 0) return 'must not be empty'
  if (length > most) return `must be at most ${most} characters long, not ${length}`
  if (TREACHEROUS.test(text)) return 'must not contain control characters, line breaks or direction marks'
  return undefined
}
