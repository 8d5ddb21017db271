/** HTML by template literals: whatever is put in is text and is escaped, unless it was made here itself. */

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** A piece of a page that may stand in another as it is. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  toString(): string {
    return this.text
  }
}

export type Content = Html | string | number | false | undefined | null | readonly Content[]

/** `` markup`<p title="${title}">${children}</p>` ``: attributes always stand in double quotes. */
export function markup(parts: TemplateStringsArray, ...contents: Content[]): Html {
  return new Html(parts.reduce((before, part, index) => before + markupOf(contents[index - 1]) + part))
}

function markupOf(content: Content): string {
  if (content === undefined || content === null || content === false) return ''
  if (content instanceof Html) return content.text
  if (typeof content === 'object') return content.map(markupOf).join('')
  return String(content).replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
}

/** Plain text with a little Markdown: paragraphs, `- ` lists, `code`, and nothing else. */
export function prose(text: string): Html[] {
  return text.split(/\n\s*\n/).map((paragraph) => {
    const lines = paragraph.trim().split('\n')
    if (!lines.every((line) => /^\s*- /.test(line))) return markup`<p>${inline(paragraph.trim())}</p>`
    return markup`<ul>
      ${lines.map((line) => markup`<li>${inline(line.replace(/^\s*- /, ''))}</li>`)}
    </ul>`
  })
}

/** Text of one line, with `code`. */
export function inline(text: string): Content[] {
  return text
    .split(/(`[^`]+`)/)
    .map((part) => (/^`.+`$/s.test(part) ? markup`<code>${part.slice(1, -1)}</code>` : part))
}
