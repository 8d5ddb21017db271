/**
 * Entity tags (RFC 9110 §8.8.3). A thing that counts its changes has a strong one, `"7-1f0c2a9b"`: its version, and a digest
 * of the bytes, as some of what is shown changes without a version: links, or when a key was last used. A change is for a
 * version, a cache is for bytes. A list has a weak tag, made of its bytes. When an answer is compressed the coding is added
 * (`"7-1f0c2a9b-br"`, §8.8.3.3), and taken off again when a caller sends the tag back.
 */
import { createHash } from 'node:crypto'

export interface EntityTag {
  weak: boolean
  /** Between the quotes. */
  opaque: string
}

const CODED = /^(.+)-(?:gzip|br|zstd)$/
const STRONG = /^(\d{1,15})(?:-[0-9a-f]{8})?$/

export interface Representation {
  mediaType: string | undefined
  /** Of the API. */
  version: number
  bytes: string
}

/** @param version of the thing. The media type counts, too: the same bytes mean something else as another type. */
export function strongTag(version: number, { mediaType = '', version: ofApi, bytes }: Representation): string {
  const digest = createHash('sha256').update(`${mediaType}\0${ofApi}\0${bytes}`).digest('hex').slice(0, 8)
  return `"${version}-${digest}"`
}

/** `"7"`: the version, where nothing of it is shown. It is good for a change, and no cache ever holds it. */
export function versionTag(version: number): string {
  return `"${version}"`
}

export function weakTag(bytes: string): string {
  return `W/"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
}

/** `"7-1f0c2a9b"` → `"7-1f0c2a9b-br"`; weak tags stay: what is compressed means the same. */
export function codedTag(tag: string, coding: string): string {
  return tag.startsWith('"') ? `${tag.slice(0, -1)}-${coding}"` : tag
}

/**
 * Which version of the thing a strong tag of ours stands for. Any of its representations counts: whoever read it as another
 * media type or with fewer fields has seen that version no less.
 */
export function versionOf({ weak, opaque }: EntityTag): number | undefined {
  const version = weak ? undefined : STRONG.exec(withoutCoding(opaque))?.[1]
  return version === undefined ? undefined : Number(version)
}

/** Weak comparison (§8.8.3.2), whatever the coding. */
export function sameTag(tag: EntityTag, ours: string): boolean {
  return withoutCoding(tag.opaque) === ours.replace(/^W\//, '').slice(1, -1)
}

export function formatTag({ weak, opaque }: EntityTag): string {
  return `${weak ? 'W/' : ''}"${opaque}"`
}

function withoutCoding(opaque: string): string {
  return CODED.exec(opaque)?.[1] ?? opaque
}

/** @returns undefined when it is neither `*` nor a list of tags */
export function parseTags(header: string): '*' | EntityTag[] | undefined {
  if (header.trim() === '*') return '*'
  const element = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|$)/y
  const tags: EntityTag[] = []
  while (element.lastIndex < header.length) {
    const match = element.exec(header)
    if (!match) return undefined
    if (match[2] !== undefined) tags.push({ weak: match[1] !== undefined, opaque: match[2] })
  }
  return tags.length > 0 ? tags : undefined
}
