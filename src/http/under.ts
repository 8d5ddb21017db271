import type { Middleware } from 'koa'
import { isBelow } from './problem.ts'

/** One middleware for what stands under the base, another for everything else. */
export function fork(base: string, under: Middleware, elsewhere: Middleware): Middleware {
  return (ctx, next) => (isBelow(base, ctx.path) ? under(ctx, next) : elsewhere(ctx, next))
}

/** An error that says no more than its status and why; `renderProblems` makes a problem of it. */
export function refusal(status: number, detail: string): Error {
  return Object.assign(new Error(detail), { status, expose: true })
}
