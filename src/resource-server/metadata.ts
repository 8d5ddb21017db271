/** OAuth 2.0 Protected Resource Metadata (RFC 9728): how an API says who issues its tokens. */
export interface ProtectedResource {
  /** The API's identifier: an absolute URL without fragment, and the audience of its tokens. */
  resource: string
  issuer: string
  /** The scopes worth asking for; keep it to the smallest useful set. */
  scopes: readonly string[]
  /** A page for the people who write clients. */
  documentation?: string
  /** Of an API that takes sender-constrained tokens: the algorithms of proofs, and whether it takes no others. */
  dpop?: { algorithms: readonly string[]; required?: boolean } | undefined
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** The JSON document to serve at {@link protectedResourceMetadataPath}. */
export function protectedResourceMetadata({ resource, issuer, scopes, documentation, dpop }: ProtectedResource) {
  return {
    resource,
    authorization_servers: [issuer],
    scopes_supported: [...scopes],
    // Tokens in the query end up in logs and histories (RFC 9700 §4.3.2); tokens in the body need form parsing.
    bearer_methods_supported: ['header'],
    ...(documentation && { resource_documentation: documentation }),
    ...(dpop && {
      dpop_signing_alg_values_supported: [...dpop.algorithms],
      dpop_bound_access_tokens_required: dpop.required ?? false,
    }),
  }
}

/**
 * Where the document stands, by path insertion (RFC 9728 §3.1): `https://api.example.com/v1` →
 * `https://api.example.com/.well-known/oauth-protected-resource/v1`.
 * @throws TypeError when `resource` isn't an http(s) URL without fragment
 */
export function protectedResourceMetadataUrl(resource: string): string {
  const { origin, pathname, search, hash, protocol } = new URL(resource)
  if (hash || !/^https?:$/.test(protocol)) throw new TypeError('resource must be an http(s) URL without fragment')
  return `${origin}${WELL_KNOWN}${pathname === '/' ? '' : pathname}${search}`
}

/** The path of {@link protectedResourceMetadataUrl}, for a router. */
export function protectedResourceMetadataPath(resource: string): string {
  return new URL(protectedResourceMetadataUrl(resource)).pathname
}
