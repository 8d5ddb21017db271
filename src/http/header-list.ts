/** Lists in headers as HTTP writes them (RFC 9110 §5.6.1), with parameters and weights (§12.4.2). Pure. */

export interface Weighted {
  /** In lower case: media types, languages and codings know no case. */
  value: string
  /** Names in lower case; quotes taken off the values. */
  parameters: ReadonlyMap<string, string>
  /** 0 to 1. */
  q: number
}

const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/

/** The elements of an Accept-like header in their order. What is malformed is passed over: a preference is only a wish. */
export function weightedList(header: string): Weighted[] {
  return splitOutsideQuotes(header, ',').flatMap((element) => {
    const [value = '', ...rest] = splitOutsideQuotes(element, ';')
    if (!/^[^\s;,="]+$/.test(value)) return []
    const parameters = new Map(rest.flatMap(parameter))
    const weight = parameters.get('q') ?? '1'
    parameters.delete('q')
    return WEIGHT.test(weight) ? [{ value: value.toLowerCase(), parameters, q: Number(weight) }] : []
  })
}

function parameter(text: string): [string, string][] {
  const at = text.indexOf('=')
  if (at < 1) return []
  const value = text.slice(at + 1).trim()
  const bare = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
  return [[text.slice(0, at).trim().toLowerCase(), bare]]
}

/** By hand and in one pass: a regular expression that looks ahead for quotes takes quadratic time on hostile headers. */
export function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = []
  let begin = 0
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (quoted && character === '\\') at += 1
    else if (character === '"') quoted = !quoted
    else if (character === separator && !quoted) {
      parts.push(text.slice(begin, at).trim())
      begin = at + 1
    }
  }
  parts.push(text.slice(begin).trim())
  return parts.filter((part) => part !== '')
}
