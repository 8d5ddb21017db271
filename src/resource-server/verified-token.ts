/** A good token, as the application sees it. */
import type { JWTPayload } from 'jose'

/** What a good token says. A person is `issuer` and `subject` together, never an e-mail address. */
export interface VerifiedToken {
  readonly issuer: string
  readonly subject: string
  readonly clientId: string
  /** The token family: what was granted to one client in one sign-in. Undefined for what a client got for itself. */
  readonly grantId: string | undefined
  readonly scopes: readonly string[]
  readonly roles: readonly string[]
  /** Its `jti`; of a token that has none, which is no JWT, the SHA-256 of the token in base64url. */
  readonly tokenId: string
  readonly issuedAt: Date
  readonly expiresAt: Date
  /** The service that acts for the subject, with a token that it got by exchange (RFC 8693 §4.1); undefined for none. */
  readonly actor: string | undefined
  /** The thumbprint of the key that its holder proved (RFC 9449 §6.1); undefined for a bearer's. */
  readonly keyThumbprint: string | undefined
  /** To be sent as `DPoP-Nonce` with the answer; undefined for none. */
  readonly nextNonce: string | undefined
  /** Every claim, as signed, or as the issuer told it when asked. */
  readonly claims: Readonly<JWTPayload>
}

type Binding = Pick<VerifiedToken, 'keyThumbprint' | 'nextNonce'>

export function present(claims: JWTPayload, binding?: Binding): VerifiedToken {
  const { iss = '', sub = '', client_id: clientId, jti = '', iat = 0, exp = 0, scope, roles, grant_id, act } = claims
  return Object.freeze({
    issuer: iss,
    subject: sub,
    clientId: String(clientId),
    grantId: typeof grant_id === 'string' ? grant_id : undefined,
    scopes: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [],
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [],
    tokenId: jti,
    issuedAt: new Date(iat * 1000),
    expiresAt: new Date(exp * 1000),
    actor: actorOf(act),
    keyThumbprint: binding?.keyThumbprint,
    nextNonce: binding?.nextNonce,
    claims,
  })
}

function actorOf(act: unknown): string | undefined {
  const sub = typeof act === 'object' && act !== null && 'sub' in act ? act.sub : undefined
  return typeof sub === 'string' ? sub : undefined
}

/** The one way in which the token is bound; undefined when there is none, or another that nobody here can check. */
export function boundKey({ cnf }: JWTPayload): string | undefined {
  if (typeof cnf !== 'object' || cnf === null || Object.keys(cnf).length !== 1) return undefined
  const { jkt } = cnf as { jkt?: unknown }
  return typeof jkt === 'string' ? jkt : undefined
}
