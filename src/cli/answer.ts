/** What a command says in the end: a document for programs, and the same as text for people. */
export interface Answer {
  document: unknown
  text: string
}

export interface Column<T> {
  title: string
  of: (row: T) => unknown
}

/** One thing, a line or more for each of its fields. @param note a last line that programs don't get */
export function record(value: object, note?: string): Answer {
  const fields = Object.entries(value).map(([name, field]): [string, string[]] => [name, lines(field)])
  const width = Math.max(...fields.map(([name]) => name.length))
  const text = fields.flatMap(([name, all]) =>
    all.map((line, index) => `${(index === 0 ? name : '').padEnd(width)}  ${line}`.trimEnd()),
  )
  return { document: value, text: [...text, ...(note ? ['', note] : [])].join('\n') }
}

/** Many things: programs get what they are, people get the columns. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], document: unknown = rows): Answer {
  if (rows.length === 0) return { document, text: 'none' }
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ of }) => cell(of(row))))]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)))
  const text = cells.map((line) => line.map((value, index) => value.padEnd(widths[index] ?? 0)).join('  '))
  return { document, text: text.map((line) => line.trimEnd()).join('\n') }
}

/** A document as it goes to standard output: JSON, or the text without what could command the terminal. */
export function render({ document, text }: Answer, json: boolean): string {
  return json ? `${JSON.stringify(document, null, 2)}\n` : `${harmless(text)}\n`
}

/** Stored text must not move the cursor or set the title of the operator's terminal. */
export function harmless(text: string): string {
  return text.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => (character === '\n' ? '\n' : '\ufffd'))
}

function lines(value: unknown): string[] {
  if (!Array.isArray(value)) return [cell(value)]
  return value.length === 0 ? ['-'] : value.map(cell)
}

export function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(' ')
  if (typeof value === 'object') return Object.values(value).filter(isTold).map(cell).join('  ')
  return String(value as string | number)
}

function isTold(value: unknown): boolean {
  return value !== null && value !== undefined
}
