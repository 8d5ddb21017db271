/** Users and what they have open, for the document. */

const API = 'https://auth.example.com/api/v1'
const CLIENT_ID = 'cli_k5xqzv3n7c2m4d6f7g2h3j4k5a'
const CLIENT = { href: `${API}/clients/${CLIENT_ID}` }
const ORDERS = { 'https://api.example.com': ['orders:read'] }

export const USER_ID = 'usr_k5xq7m2n4p6r3s5t7v2w4y6z3a'
const href = `${API}/users/${USER_ID}`
const user = { href }

/** What is said about someone, to be sent. */
export const ADA = { username: 'ada', email: 'ada@example.com', name: 'Ada Lovelace', roles: ['staff'] }

export const USER = {
  id: USER_ID,
  ...ADA,
  email_verified: true,
  disabled: false,
  disabled_at: null,
  password_changed_at: null,
  version: 1,
  created_at: '2026-01-31T12:00:00.000Z',
  updated_at: '2026-01-31T12:00:00.000Z',
  links: {
    self: user,
    sessions: { href: `${href}/sessions` },
    consents: { href: `${href}/consents` },
    token_families: { href: `${href}/token-families` },
    update: { href, method: 'PATCH' },
    replace: { href, method: 'PUT' },
    password: { href: `${href}/password`, method: 'PUT' },
    sign_out: { href: `${href}/sessions`, method: 'DELETE' },
    disable: { href, method: 'PATCH' },
    delete: { href, method: 'DELETE' },
  },
}

const session = `${href}/sessions/k3J9xV2mQ7wT5nB8rL4pZ`
export const SESSION = {
  id: 'k3J9xV2mQ7wT5nB8rL4pZ',
  user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  address: '192.0.2.17',
  signed_in_at: '2026-01-31T12:00:00.000Z',
  last_seen_at: '2026-01-31T12:30:00.000Z',
  expires_at: '2026-02-14T12:30:00.000Z',
  links: { self: { href: session }, user, delete: { href: session, method: 'DELETE' } },
}

const consent = `${href}/consents/${CLIENT_ID}`
export const CONSENT = {
  id: CLIENT_ID,
  client_id: CLIENT_ID,
  client_name: 'Notes',
  openid_scopes: ['openid', 'profile'],
  resources: ORDERS,
  granted_at: '2026-01-31T12:00:00.000Z',
  expires_at: null,
  links: { self: { href: consent }, user, client: CLIENT, delete: { href: consent, method: 'DELETE' } },
}

const family = `${href}/token-families/Yp2vR8sD4fG6hJ1kL3zX5`
export const TOKEN_FAMILY = {
  id: 'Yp2vR8sD4fG6hJ1kL3zX5',
  client_id: CLIENT_ID,
  client_name: 'Notes',
  session_id: SESSION.id,
  openid_scopes: ['openid', 'profile'],
  resources: ORDERS,
  created_at: '2026-01-31T12:00:00.000Z',
  expires_at: '2026-02-14T12:00:00.000Z',
  last_refreshed_at: '2026-01-31T12:10:00.000Z',
  links: { self: { href: family }, user, client: CLIENT, delete: { href: family, method: 'DELETE' } },
}
