/** Lists as text/csv (RFC 4180), for spreadsheets: which must not take what strangers wrote for a formula. */

export const CSV_CONTENT_TYPE = 'text/csv; charset=utf-8; header=present'

/** What spreadsheets begin a formula with, or skip on the way to one (OWASP: CSV injection), also in full width. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

/** A header row and one row for each item; lines end with CRLF. */
export function toCsv(columns: readonly string[], items: readonly object[]): string {
  const rows = items.map((item) => columns.map((column) => cell((item as Record<string, unknown>)[column])))
  return [columns.map(cell), ...rows].map((row) => `${row.join(',')}\r\n`).join('')
}

/** A negative number is a number; text that begins like a formula gets an apostrophe, which spreadsheets take for "text". */
function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = textOf(value)
  return quoted(FORMULA.test(text) ? `'${text}` : text)
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return value.map(textOf).join(' ')
  return JSON.stringify(value) ?? ''
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
