/**
 * What an API needs to accept Grantry's access tokens: verification against the published keys, correct refusals, and the
 * API's own metadata. Published as `grantry/resource-server`; it stands on `jose` and the platform alone and knows nothing
 * of the server that issues the tokens but its URL.
 *
 * ```ts
 * const verifier = createTokenVerifier({ issuer: 'https://login.example.com', audience: 'https://orders.example.com' })
 * router.get('/orders', protect(verifier, { scope: 'orders:read' }), handler)       // Koa: ctx.state.token
 * const token = await authenticate(request.headers, verifier, { scope: 'orders:read' }) // anything else
 * ```
 *
 * With `dpop: { url: 'https://orders.example.com', replays: createMemoryReplayStore() }` it takes tokens that are bound to a
 * key as well; `authenticate` then wants the method and target of the request beside its headers. With
 * `introspection: { clientId, clientSecret }` it asks the server about tokens that are no JWTs.
 */
export { authenticate, type AuthenticateOptions, type RequestHeaders } from './authenticate.ts'
export { DPOP_ALGORITHMS, type DpopOptions, type ProvenRequest } from './dpop.ts'
export type { IntrospectionOptions } from './introspection.ts'
export {
  protectedResourceMetadata,
  protectedResourceMetadataPath,
  protectedResourceMetadataUrl,
  type ProtectedResource,
} from './metadata.ts'
export type { VerifyOptions } from './needs.ts'
export { protect, type ProtectedContext } from './protect.ts'
export {
  createRevocationList,
  type FollowFrom,
  type RevocationList,
  type RevocationListOptions,
} from './revocations.ts'
export type { RevocableToken, RevocationEvent } from './revoked.ts'
export {
  createMemoryReplayStore,
  createPostgresReplayStore,
  postgresReplayTable,
  type ReplayStore,
} from './replay-store.ts'
export { scopesToAsk } from './scopes-to-ask.ts'
export { TokenError, type Refusals, type TokenErrorCode } from './token-error.ts'
export type { VerifiedToken } from './verified-token.ts'
export type { TokenVerifierOptions } from './verifier-options.ts'
export { createTokenVerifier, type TokenVerifier } from './verifier.ts'
