import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { extname, join } from 'node:path'

export interface Asset {
  body: Buffer
  /** Value of `Content-Type`. */
  type: string
  /** Strong entity tag, quotes included (RFC 9110 §8.8.3). */
  etag: string
  /** Value of `Cache-Control`: the address holds a digest of the content, so it never changes (RFC 8246). */
  cacheControl: string
}

export interface Assets {
  /**
   * The address to put into a page: `app.css` → `/assets/app.<digest>.css`.
   *
   * @throws Error when there is no such file.
   */
  url(name: string): string
  /** What to answer for a request path, or undefined: 404. Only whole, current addresses are found. */
  find(path: string): Asset | undefined
}

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
}

/**
 * Reads every file of `directory` once and keeps it in memory; no request ever reaches the file system, so that no path can
 * lead out of the directory.
 *
 * @throws Error when the directory cannot be read or holds a file of a kind that is not served.
 */
export function createAssets({ directory }: { directory: string }): Assets {
  const urls = new Map<string, string>()
  const assets = new Map<string, Asset>()
  for (const name of readdirSync(directory)) {
    const extension = extname(name)
    const type = TYPES[extension]
    if (type === undefined) throw new Error(`${join(directory, name)}: files of this kind are not served`)
    const body = readFileSync(join(directory, name))
    const digest = createHash('sha256').update(body).digest('hex').slice(0, 16)
    const path = `/assets/${name.slice(0, -extension.length)}.${digest}${extension}`
    urls.set(name, path)
    assets.set(path, { body, type, etag: `"${digest}"`, cacheControl: 'public, max-age=31536000, immutable' })
  }
  return {
    url(name) {
      const url = urls.get(name)
      if (url === undefined) throw new Error(`there is no asset ${name}`)
      return url
    },
    find: (path) => assets.get(path),
  }
}
