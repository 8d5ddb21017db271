import type { Middleware } from 'koa'

/** Whether a path is the base or stands below it: `/api` and `/api/v1`, not `/apis`. */
export function isUnder(path: string, base: string): boolean {
  return path === base || path.startsWith(`${base}/`)
}

/** One middleware for what stands under the base, another for everything else. */
export function fork(base: string, under: Middleware, elsewhere: Middleware): Middleware {
  return (ctx, next) => (isUnder(ctx.path, base) ? under(ctx, next) : elsewhere(ctx, next))
}

/** An error that says no more than its status and why; `renderProblems` makes a problem of it. */
export function refusal(status: number, detail: string): Error {
  return Object.assign(new Error(detail), { status, expose: true })
}
