/**
 * Reads only the strict HTML that the pages are meant to be made of: lower-case tags, attributes in double quotes, every
 * element closed, every special character escaped. Anything that a browser would have to guess at is an error, so a value
 * that broke out of its place cannot go unnoticed.
 */
export interface Element {
  tag: string
  attributes: Map<string, string>
  children: (Element | string)[]
}

const VOID = new Set(['meta', 'link', 'img', 'input', 'br'])
const DOCTYPE = '<!doctype html>\n'
const TAG = /<(\/?)([a-z][a-z0-9]*)((?: [a-z-]+(?:="[^"<>]*")?)*)>/y
const TEXT = /[^<>]+/y
const ATTRIBUTE = / ([a-z-]+)(?:="([^"]*)")?/g
const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" }

/** @throws Error at the first thing that is not strict. */
export function parseHtml(source: string): Element {
  if (!source.startsWith(DOCTYPE)) throw new Error('no doctype')
  const document: Element = { tag: '#document', attributes: new Map(), children: [] }
  const open: Element[] = [document]
  for (let at = DOCTYPE.length; at < source.length;) {
    const parent = open.at(-1) ?? document
    const text = match(TEXT, source, at)
    const token = text ?? match(TAG, source, at)
    if (token === null)
      throw new Error(`not strict HTML: ${JSON.stringify(source.slice(Math.max(0, at - 60), at + 60))}`)
    at += token[0].length
    if (text !== null) parent.children.push(decode(token[0]))
    else if (token[1] === '/') close(open, token[2] ?? '')
    else {
      const element = { tag: token[2] ?? '', attributes: attributesOf(token[3] ?? ''), children: [] }
      parent.children.push(element)
      if (!VOID.has(element.tag)) open.push(element)
    }
  }
  if (open.length !== 1) throw new Error(`not closed: ${open.map(({ tag }) => tag).join(' ')}`)
  return document
}

function match(pattern: RegExp, source: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(source)
}

function close(open: Element[], tag: string): void {
  const last = open.pop()
  if (last?.tag !== tag) throw new Error(`</${tag}> closes <${last?.tag}>`)
}

function attributesOf(source: string): Map<string, string> {
  const attributes = new Map<string, string>()
  for (const [, name = '', value = ''] of source.matchAll(ATTRIBUTE)) {
    if (attributes.has(name)) throw new Error(`the attribute ${name} stands twice`)
    attributes.set(name, decode(value))
  }
  return attributes
}

function decode(text: string): string {
  return text.replace(/&[^;]{0,8};?/g, (entity) => {
    const character = ENTITIES[entity]
    if (character === undefined) throw new Error(`not an entity that the pages use: ${entity}`)
    return character
  })
}

/** All elements below, in document order. */
export function elements(root: Element): Element[] {
  return root.children.flatMap((child) => (typeof child === 'string' ? [] : [child, ...elements(child)]))
}

/** All elements with this tag. */
export function byTag(root: Element, ...tags: string[]): Element[] {
  return elements(root).filter(({ tag }) => tags.includes(tag))
}

/** What a person reads, white space folded. */
export function textOf(root: Element): string {
  const raw = (element: Element): string =>
    element.children.map((child) => (typeof child === 'string' ? child : raw(child))).join('')
  return raw(root).replace(/\s+/g, ' ').trim()
}

/** The document without its words: tags and the names of their attributes. */
export function shapeOf(root: Element): string {
  const attributes = [...root.attributes.keys()].filter((name) => name !== 'autofocus').sort()
  const children = root.children.map((child) => (typeof child === 'string' ? '' : shapeOf(child)))
  return `<${[root.tag, ...attributes].join(' ')}>${children.join('')}</>`
}
