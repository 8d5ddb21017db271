/**
 * JSON that means the same to everybody who reads it (RFC 8259 §4 and §8, I-JSON: RFC 7493 §2): UTF-8 without exception, no name
 * twice in an object, no text that PostgreSQL could not store, no name that JavaScript takes for more than a name, and no
 * deeper than anybody has reason to go. All that is wrong is told at once. Numbers beyond a double are the schemas' affair.
 */
import type { InputError } from '../problem.ts'
import { MOST_ERRORS, pointerTo } from './input-errors.ts'

export const MOST_DEPTH = 32

/** What it takes to write into an object's prototype where somebody merges or assigns by name. */
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

export interface StrictJson {
  value: unknown
  /** Empty: the value may be used. */
  errors: InputError[]
}

/** @throws SyntaxError when it is no JSON in UTF-8 at all; a byte order mark is none (RFC 8259 §8.1) */
export function parseJson(bytes: Uint8Array): StrictJson {
  const text = decode(bytes)
  const value: unknown = JSON.parse(text)
  return { value, errors: inspect(text) }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new SyntaxError('not UTF-8', { cause: error })
  }
}

/** One object or array that is open. */
interface Level {
  /** The names so far; undefined: an array. */
  names: Set<string> | undefined
  /** The name or index at which we are. */
  at: string | number
  /** Whether the next string is a name. */
  expectsName: boolean
}

/** Goes through text that is known to be JSON, and sees what `JSON.parse` is silent about. */
function inspect(text: string): InputError[] {
  const errors: InputError[] = []
  const levels: Level[] = []
  const complain = (code: string, detail: string) =>
    void errors.push({ pointer: pointerTo(levels.map(({ at }) => at)), detail, code })

  for (let index = 0; index < text.length && errors.length < MOST_ERRORS; index += 1) {
    const level = levels.at(-1)
    switch (text[index]) {
      case '{':
      case '[':
        if (levels.length === MOST_DEPTH) {
          complain('depth', `is nested more than ${MOST_DEPTH} levels deep`)
          return errors
        }
        levels.push(
          text[index] === '{'
            ? { names: new Set(), at: '', expectsName: true }
            : { names: undefined, at: 0, expectsName: false },
        )
        break
      case '}':
      case ']':
        levels.pop()
        break
      case ',':
        if (level?.names) level.expectsName = true
        else if (level) level.at = Number(level.at) + 1
        break
      case '"': {
        const end = endOfString(text, index)
        const string = stringAt(text, index, end)
        index = end
        if (level?.names && level.expectsName) {
          level.at = string
          level.expectsName = false
          if (level.names.has(string)) complain('duplicate', 'stands twice in its object')
          else if (PROTOTYPE_KEYS.has(string)) complain('unknown', 'is not a name that is taken')
          level.names.add(string)
        }
        if (!string.isWellFormed() || string.includes('\0')) complain('format', 'must not hold NUL or half a character')
        break
      }
      default:
    }
  }
  return errors
}

/** Where the quote stands that ends the string. */
function endOfString(text: string, begin: number): number {
  let at = begin + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

function stringAt(text: string, begin: number, end: number): string {
  const inner = text.slice(begin + 1, end)
  return inner.includes('\\') ? (JSON.parse(`"${inner}"`) as string) : inner
}
