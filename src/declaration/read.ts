/** Reads the file: YAML 1.2, and so JSON too, without anything in it that could surprise. */
import { isAlias, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml'
import type { z } from 'zod'
import { DeclarationError, declarationSchema, type Declaration, type Mistake, type Path } from './declaration.ts'

/** What a file says, and where it says it. */
export interface Source {
  declaration: Declaration
  /** A mistake with its place in the file. */
  mistakeAt: (path: Path, message: string) => Mistake
}

/** @throws DeclarationError with every mistake that can be seen without looking at what there is */
export function readDeclaration(text: string): Source {
  const lines = new LineCounter()
  const document = parse(text, lines)
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  const syntax = [...document.errors, ...document.warnings].map(({ pos, message }) => {
    return { ...place(pos[0]), path: '', message: sentence(message) }
  })
  refuse(syntax)
  refuse(findAliases(document, place))

  const mistakeAt = (path: Path, message: string): Mistake => {
    return { ...place(offsetOf(document, path)), path: pathText(path), message }
  }
  const result = declarationSchema.safeParse(document.toJS())
  if (!result.success) refuse(result.error.issues.flatMap((issue) => mistakesOf(issue, document, mistakeAt)))
  return { declaration: result.data as Declaration, mistakeAt }
}

function parse(text: string, lineCounter: LineCounter): Document {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true, version: '1.2' })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new DeclarationError([{ line: 1, column: 1, path: '', message: 'is nested too deeply' }])
  }
}

/** A few lines of them unfold to more than the memory holds, and what a name stands for is far from where it is read. */
function findAliases(document: Document, place: (offset: number) => { line: number; column: number }): Mistake[] {
  const found: Mistake[] = []
  visit(document, {
    Node: (_, node) => {
      if (!isAlias(node) && node.anchor === undefined) return
      const name = isAlias(node) ? `the alias *${node.source}` : `the anchor &${node.anchor}`
      found.push({ ...place(node.range?.[0] ?? 0), path: '', message: `${name} is not taken here: write it out` })
    },
  })
  return found
}

type Issue = z.core.$ZodIssue

function mistakesOf(issue: Issue, document: Document, mistakeAt: Source['mistakeAt']): Mistake[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => mistakeAt([...path, key], 'is not known here'))
  }
  return [mistakeAt(path, messageOf(issue, has(document, path)))]
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a set of names and values',
}

function messageOf(issue: Issue, isThere: boolean): string {
  if (!isThere) return 'is missing'
  if (issue.code === 'invalid_type') return `must be ${KINDS[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') return `must be ${issue.values.map(String).join(' or ')}`
  return issue.message
}

function has(document: Document, path: Path): boolean {
  return path.length === 0 ? document.contents !== null : document.hasIn(path)
}

/** Of the value, of the name of a stray key, or of the nearest thing around what is missing. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length -= 1) {
    const key = keyOffset(document, path.slice(0, length))
    const node = document.getIn(path.slice(0, length), true)
    const value = isNode(node) ? node.range?.[0] : undefined
    // A list or map begins where its first entry does; its name tells more.
    const offset = isScalar(node) ? (value ?? key) : (key ?? value)
    if (offset !== undefined) return offset
  }
  return isNode(document.contents) ? (document.contents.range?.[0] ?? 0) : 0
}

function keyOffset(document: Document, path: Path): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  if (!isMap(parent)) return undefined
  const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === path.at(-1))
  return pair && isNode(pair.key) ? pair.key.range?.[0] : undefined
}

function pathText(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
}

/** The library's first line, without its end. */
function sentence(message: string): string {
  const [line = ''] = message.split('\n')
  return line.replace(/\.$/, '')
}

function refuse(mistakes: readonly Mistake[]): void {
  if (mistakes.length > 0) throw new DeclarationError(mistakes)
}
