import type { Middleware } from 'koa'

const LONGEST_URL = 8 * 1024
const MOST_PARAMETERS = 100
const NUL = /%00/i

/** Refuses requests that no honest caller sends, before anything reads them. */
export function limits(): Middleware {
  return (ctx, next) => {
    const problem = problemOf(ctx.req.url ?? '')
    if (!problem) return next()
    ctx.status = problem.status
    ctx.body = { error: 'invalid_request', error_description: problem.detail }
    return undefined
  }
}

function problemOf(url: string): { status: number; detail: string } | undefined {
  if (url.length > LONGEST_URL) return { status: 414, detail: `the URL is longer than ${LONGEST_URL} characters` }
  if (url.split('&').length > MOST_PARAMETERS) return { status: 400, detail: 'too many parameters' }
  if (!url.includes('%')) return undefined
  // No parameter of any endpoint holds a NUL; databases and C libraries downstream stumble over it.
  if (NUL.test(url)) return { status: 400, detail: 'the URL holds a NUL character' }
  if (!isDecodable(url)) return { status: 400, detail: 'the URL is not UTF-8 in percent-encoding' }
  return undefined
}

function isDecodable(url: string): boolean {
  try {
    decodeURIComponent(url.replaceAll('+', ' '))
    return true
  } catch {
    return false
  }
}
