/** The query of a request, strictly: each parameter once, each well encoded, none that nobody knows. */
import type { InputError } from '../problem.ts'

export interface Query {
  /** In the order in which they came. */
  values: ReadonlyMap<string, string>
  errors: InputError[]
}

/** Reads `a=1&b=2`; a plus sign is a space, as forms write it. */
export function readQuery(text: string): Query {
  const values = new Map<string, string>()
  const errors: InputError[] = []
  for (const part of text.split('&')) {
    if (part === '') continue
    const at = part.indexOf('=')
    const name = decode(at < 0 ? part : part.slice(0, at))
    const value = decode(at < 0 ? '' : part.slice(at + 1))
    if (name === undefined || value === undefined) {
      errors.push({ parameter: name ?? '', detail: 'is not UTF-8 in percent-encoding', code: 'format' })
    } else if (values.has(name)) {
      errors.push({ parameter: name, detail: 'stands more than once', code: 'duplicate' })
    } else if (value.includes('\0') || name.includes('\0')) {
      errors.push({ parameter: name, detail: 'must not hold a NUL character', code: 'format' })
    } else values.set(name, value)
  }
  return { values, errors }
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
