/** Clients for the document. The resource is the one that the examples of resources register. */

const NOTES = 'https://notes.example.com'

export const POST_EXAMPLES = {
  web: {
    kind: 'web',
    name: 'Notes',
    redirect_uris: ['https://app.example.com/callback'],
    post_logout_redirect_uris: ['https://app.example.com/'],
    backchannel_logout_uri: 'https://app.example.com/logged-out',
    access: [{ resource: NOTES, scopes: ['notes:read', 'notes:write'] }],
  },
  service: { kind: 'service', name: 'Notes backup', access: [{ resource: NOTES, scopes: ['notes:read'] }] },
}

export const PUT_EXAMPLES = {
  settings: {
    name: 'Notes for teams',
    redirect_uris: ['https://app.example.com/callback', 'https://teams.example.com/callback'],
    access: [{ resource: NOTES, scopes: ['notes:read', 'notes:write'] }],
  },
}

export const PATCH_EXAMPLES = {
  rename: { name: 'Notes (beta)' },
  disable: { disabled: true },
  enable: { disabled: false },
}

const href = 'https://auth.example.com/api/v1/clients/cli_k5xqzv3n7c2m4d6f7g2h3j4k5a'
const secrets = { href: `${href}/secrets` }

export const CLIENT = {
  id: 'cli_k5xqzv3n7c2m4d6f7g2h3j4k5a',
  kind: 'web',
  name: 'Notes',
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: ['https://app.example.com/callback'],
  post_logout_redirect_uris: ['https://app.example.com/'],
  backchannel_logout_uri: 'https://app.example.com/logged-out',
  backchannel_logout_session_required: false,
  allowed_origins: [],
  openid_scopes: ['openid', 'profile', 'email', 'offline_access'],
  first_party: false,
  profile: 'baseline',
  dpop_bound_access_tokens: false,
  require_par: false,
  jwks: null,
  exchange_from: [],
  built_in: false,
  self_registered: false,
  metadata_url: null,
  disabled: false,
  disabled_at: null,
  access: [{ resource_id: 'res_m2n3b4v5c6x7z2l3k4j5h6g7fd', audience: NOTES, scopes: ['notes:read', 'notes:write'] }],
  secrets: [
    {
      id: 'sec_p2o3i4u5y6t7r2e3w4q5a6s7df',
      hint: '4f1c',
      created_at: '2026-01-31T12:00:00.000Z',
      expires_at: null,
    },
  ],
  version: 1,
  created_at: '2026-01-31T12:00:00.000Z',
  updated_at: '2026-01-31T12:00:00.000Z',
  links: {
    self: { href },
    secrets,
    rotate_secret: { ...secrets, method: 'POST' },
    replace: { href, method: 'PUT' },
    update: { href, method: 'PATCH' },
    disable: { href, method: 'PATCH' },
    delete: { href, method: 'DELETE' },
  },
}
