/** Resources for the document. */

const SCOPES = [
  { name: 'notes:read', description: 'Read your notes', description_de: 'Ihre Notizen lesen' },
  { name: 'notes:write', description: 'Write notes for you', description_de: 'Notizen für Sie schreiben' },
]

export const POST_EXAMPLES = {
  notes: {
    audience: 'https://notes.example.com',
    name: 'Notes',
    self_registered_scopes: ['notes:read'],
    scopes: SCOPES,
  },
  opaque: {
    audience: 'https://payments.example.com',
    name: 'Payments',
    token_format: 'opaque',
    access_token_ttl: 60,
    token_claims: [],
    scopes: [{ name: 'payments:write', description: 'Pay for you' }],
  },
}

export const PUT_EXAMPLES = { settings: { name: 'Notes', signing_alg: 'ES256', scopes: SCOPES } }

export const PATCH_EXAMPLES = { lifetime: { access_token_ttl: 120 }, default: { access_token_ttl: null } }

const href = 'https://auth.example.com/api/v1/resources/res_m2n3b4v5c6x7z2l3k4j5h6g7fd'

export const RESOURCE = {
  id: 'res_m2n3b4v5c6x7z2l3k4j5h6g7fd',
  audience: 'https://notes.example.com',
  name: 'Notes',
  token_format: 'jwt',
  signing_alg: 'RS256',
  access_token_ttl: null,
  token_claims: ['auth_time', 'acr'],
  introspection_clients: [],
  self_registered_scopes: ['notes:read'],
  scopes: SCOPES,
  built_in: false,
  version: 1,
  created_at: '2026-01-31T12:00:00.000Z',
  updated_at: '2026-01-31T12:00:00.000Z',
  links: {
    self: { href },
    replace: { href, method: 'PUT' },
    update: { href, method: 'PATCH' },
    delete: { href, method: 'DELETE' },
  },
}
