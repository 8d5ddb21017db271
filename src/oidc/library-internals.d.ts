/** The one file inside the library that we reach for: configuration/dpop.ts says why. */
declare module 'oidc-provider/lib/helpers/weak_cache.js' {
  interface Challenges {
    nextChallenge(): string
    checkChallenge(challenge: string): boolean
  }
  export function get(provider: object): { DPoPNonces?: Challenges } | undefined
}
