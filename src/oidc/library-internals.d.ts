/** What we reach for inside the library; the files that import it say why. */
declare module 'oidc-provider/lib/helpers/weak_cache.js' {
  interface Challenges {
    nextChallenge(): string
    checkChallenge(challenge: string): boolean
  }
  export function get(provider: object): { DPoPNonces?: Challenges } | undefined
}
declare module 'oidc-provider/lib/helpers/als.js' {
  import type { AsyncLocalStorage } from 'node:async_hooks'
  /** The context of the request under way, as `Provider.ctx` has it. */
  const requests: AsyncLocalStorage<object>
  export default requests
}
declare module 'oidc-provider/lib/helpers/router.js' {
  import type { Middleware } from 'koa'
  type Register = (this: Router, name: string, path: string, first: Middleware, ...others: Middleware[]) => Router
  export default class Router {
    get: Register
    post: Register
    put: Register
    delete: Register
    options: Register
  }
}
