/** Reads the file: YAML 1.2, and so JSON too, without anything in it that could surprise. */
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type YAMLMap,
} from 'yaml'
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
  const entries = indexed()
  refuse([...findAliases(document, place), ...findRepeatedKeys(document, entries, place)])

  const mistakeAt = (path: Path, message: string): Mistake => {
    return { ...place(stepsTo(document, path, entries).offset), path: pathText(path), message }
  }
  const isThere = (path: Path) => stepsTo(document, path, entries).isThere
  const result = declarationSchema.safeParse(document.toJS())
  if (!result.success) refuse(result.error.issues.flatMap((issue) => mistakesOf(issue, isThere, mistakeAt)))
  return { declaration: result.data as Declaration, mistakeAt }
}

const TOO_DEEP = { line: 1, column: 1, path: '', message: 'is nested too deeply' }

function parse(text: string, lineCounter: LineCounter): Document {
  // Repeated keys are looked for below: the library compares each with all others, which takes minutes for large maps.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, version: '1.2' })
  if (document.errors.some(({ message }) => message.includes('call stack'))) throw new DeclarationError([TOO_DEEP])
  return document
}

type Place = (offset: number) => { line: number; column: number }

interface Entry {
  key: unknown
  value: unknown
}

/** The entries of a map by name, gathered once. */
type Entries = (map: YAMLMap) => Map<string, Entry>

function indexed(): Entries {
  const known = new WeakMap<YAMLMap, Map<string, Entry>>()
  return (map) => {
    const found = known.get(map) ?? new Map(map.items.map((pair) => [nameOf(pair.key), pair]))
    known.set(map, found)
    return found
  }
}

function nameOf(key: unknown): string {
  return isScalar(key) ? String(key.value) : JSON.stringify(key)
}

function findRepeatedKeys(document: Document, entries: Entries, place: Place): Mistake[] {
  const found: Mistake[] = []
  visit(document, {
    Map: (_, map) => {
      if (entries(map).size === map.items.length) return
      const seen = new Set<string>()
      for (const { key } of map.items) {
        const name = nameOf(key)
        if (seen.has(name)) found.push({ ...place(offsetOf(key) ?? 0), path: '', message: `${name} stands here twice` })
        seen.add(name)
      }
    },
  })
  return found
}

/** A few lines of them unfold to more than the memory holds, and what a name stands for is far from where it is read. */
function findAliases(document: Document, place: Place): Mistake[] {
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

function mistakesOf(issue: Issue, isThere: (path: Path) => boolean, mistakeAt: Source['mistakeAt']): Mistake[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => mistakeAt([...path, key], 'is not known here'))
  }
  return [mistakeAt(path, messageOf(issue, isThere(path)))]
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

interface Steps {
  isThere: boolean
  /** Of the value, or of its name; of the nearest thing around what is missing. */
  offset: number
}

function stepsTo(document: Document, path: Path, entries: Entries): Steps {
  let node: unknown = document.contents
  let offset = offsetOf(node) ?? 0
  for (const part of path) {
    const entry = isMap(node) ? entries(node).get(String(part)) : undefined
    const next: unknown = isSeq(node) && typeof part === 'number' ? node.items[part] : entry?.value
    if (next === undefined && !entry) return { isThere: false, offset }
    // A list or a map begins with its first entry; its name tells more.
    offset = (entry && !isScalar(next) ? offsetOf(entry.key) : undefined) ?? offsetOf(next) ?? offset
    node = next
  }
  return { isThere: path.length > 0 || node !== null, offset }
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
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
