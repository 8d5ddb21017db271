import { managementAudience } from '../registry/management-scopes.ts'

/** What `WWW-Authenticate` says beside who asks. */
export interface ChallengeReason {
  /** RFC 6750 §3.1; left out when no credential came. */
  error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope'
  description?: string
  /** What the request would have needed. */
  scope?: string
}

/** Where the metadata of the management API stands (RFC 9728 §3.1: the path of the resource comes last). */
export const METADATA_PATH = '/.well-known/oauth-protected-resource/api'

/**
 * Makes `WWW-Authenticate` values for the management API (RFC 6750 §3), each naming the document that says where tokens for
 * it come from (RFC 9728 §5.1). Every text is a constant of ours: nothing out of a request is written into a header.
 */
export function challengeOf(issuer: string): (reason?: ChallengeReason) => string {
  const about = { realm: managementAudience(issuer), resource_metadata: issuer + METADATA_PATH }
  return ({ error, description, scope } = {}) => {
    const parameters = { ...about, error, error_description: description, scope }
    const pairs = Object.entries(parameters).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}="${value}"`],
    )
    return `Bearer ${pairs.join(', ')}`
  }
}
