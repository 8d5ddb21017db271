/** Written by `node test/client/write.ts` from the API's document. Don't change it by hand. */
import type {
  Answer,
  CallOptions,
  ChangeOptions,
  CreateOptions,
  List,
  OperationFacts,
  ReadOptions,
} from './operation.ts'

export const operations = {
  listUsers: { method: 'GET', path: '/users', list: 'cursor' },
  createUser: { method: 'POST', path: '/users', body: 'application/json', keyed: true },
  readUser: { method: 'GET', path: '/users/{user_id}' },
  replaceUser: { method: 'PUT', path: '/users/{user_id}', body: 'application/json', conditional: true },
  updateUser: { method: 'PATCH', path: '/users/{user_id}', body: 'application/merge-patch+json', conditional: true },
  deleteUser: { method: 'DELETE', path: '/users/{user_id}', conditional: true },
  setUserPassword: { method: 'PUT', path: '/users/{user_id}/password', body: 'application/json' },
  listUserSessions: { method: 'GET', path: '/users/{user_id}/sessions', list: 'cursor' },
  endUserSessions: { method: 'DELETE', path: '/users/{user_id}/sessions' },
  readUserSession: { method: 'GET', path: '/users/{user_id}/sessions/{session_id}' },
  endUserSession: { method: 'DELETE', path: '/users/{user_id}/sessions/{session_id}' },
  listUserConsents: { method: 'GET', path: '/users/{user_id}/consents', list: 'cursor' },
  readUserConsent: { method: 'GET', path: '/users/{user_id}/consents/{consent_id}' },
  withdrawUserConsent: { method: 'DELETE', path: '/users/{user_id}/consents/{consent_id}' },
  listUserTokenFamilies: { method: 'GET', path: '/users/{user_id}/token-families', list: 'cursor' },
  readUserTokenFamily: { method: 'GET', path: '/users/{user_id}/token-families/{family_id}' },
  revokeUserTokenFamily: { method: 'DELETE', path: '/users/{user_id}/token-families/{family_id}' },
  listResources: { method: 'GET', path: '/resources', list: 'cursor' },
  createResource: { method: 'POST', path: '/resources', body: 'application/json', keyed: true },
  readResource: { method: 'GET', path: '/resources/{resource_id}' },
  replaceResource: { method: 'PUT', path: '/resources/{resource_id}', body: 'application/json', conditional: true },
  updateResource: {
    method: 'PATCH',
    path: '/resources/{resource_id}',
    body: 'application/merge-patch+json',
    conditional: true,
  },
  deleteResource: { method: 'DELETE', path: '/resources/{resource_id}', conditional: true },
  listClients: { method: 'GET', path: '/clients', list: 'cursor' },
  createClient: { method: 'POST', path: '/clients', body: 'application/json', keyed: true },
  readClient: { method: 'GET', path: '/clients/{client_id}' },
  replaceClient: { method: 'PUT', path: '/clients/{client_id}', body: 'application/json', conditional: true },
  updateClient: {
    method: 'PATCH',
    path: '/clients/{client_id}',
    body: 'application/merge-patch+json',
    conditional: true,
  },
  deleteClient: { method: 'DELETE', path: '/clients/{client_id}', conditional: true },
  listClientSecrets: { method: 'GET', path: '/clients/{client_id}/secrets', list: 'cursor' },
  rotateClientSecret: { method: 'POST', path: '/clients/{client_id}/secrets', body: 'application/json', keyed: true },
  deleteClientSecret: { method: 'DELETE', path: '/clients/{client_id}/secrets/{secret_id}' },
  listApiKeys: { method: 'GET', path: '/api-keys', list: 'cursor' },
  createApiKey: { method: 'POST', path: '/api-keys', body: 'application/json', keyed: true },
  readApiKey: { method: 'GET', path: '/api-keys/{api_key_id}' },
  updateApiKey: {
    method: 'PATCH',
    path: '/api-keys/{api_key_id}',
    body: 'application/merge-patch+json',
    conditional: true,
  },
  revokeApiKey: { method: 'DELETE', path: '/api-keys/{api_key_id}', conditional: true },
  rotateApiKey: { method: 'POST', path: '/api-keys/{api_key_id}/rotations', body: 'application/json', keyed: true },
  listKeys: { method: 'GET', path: '/keys', list: 'cursor' },
  readKey: { method: 'GET', path: '/keys/{kid}' },
  deleteKey: { method: 'DELETE', path: '/keys/{kid}' },
  rotateKeys: { method: 'POST', path: '/keys/rotations', body: 'application/json' },
  listWebhooks: { method: 'GET', path: '/webhooks', list: 'cursor' },
  createWebhook: { method: 'POST', path: '/webhooks', body: 'application/json', keyed: true },
  readWebhook: { method: 'GET', path: '/webhooks/{webhook_id}' },
  replaceWebhook: { method: 'PUT', path: '/webhooks/{webhook_id}', body: 'application/json', conditional: true },
  updateWebhook: {
    method: 'PATCH',
    path: '/webhooks/{webhook_id}',
    body: 'application/merge-patch+json',
    conditional: true,
  },
  deleteWebhook: { method: 'DELETE', path: '/webhooks/{webhook_id}', conditional: true },
  rotateWebhookSecret: {
    method: 'POST',
    path: '/webhooks/{webhook_id}/secrets',
    body: 'application/json',
    keyed: true,
  },
  listWebhookDeliveries: { method: 'GET', path: '/webhooks/{webhook_id}/deliveries', list: 'cursor' },
  replayWebhookDeliveries: {
    method: 'POST',
    path: '/webhooks/{webhook_id}/deliveries',
    body: 'application/json',
    keyed: true,
  },
  readWebhookDelivery: { method: 'GET', path: '/webhooks/{webhook_id}/deliveries/{delivery_id}' },
  testWebhook: { method: 'POST', path: '/webhooks/{webhook_id}/tests', keyed: true },
  listEvents: { method: 'GET', path: '/events', list: 'after' },
  listAuditEvents: { method: 'GET', path: '/audit-events', list: 'cursor' },
  readAuditEvent: { method: 'GET', path: '/audit-events/{audit_event_id}' },
} as const satisfies Readonly<Record<string, OperationFacts>>

/** Every method takes the values of its path, then its body or, of a list, the filters, then options. */
export interface GrantryOperations {
  /** List users */
  listUsers(filters?: ListUsersFilters, options?: CallOptions): List<User>

  /** Create a user */
  createUser(body: NewUser, options?: CreateOptions): Promise<Answer<User>>

  /** Read a user */
  readUser(userId: string, options?: ReadOptions<User>): Promise<Answer<User>>

  /** Replace a user */
  replaceUser(userId: string, body: UserReplacement, options: ChangeOptions): Promise<Answer<User>>

  /** Change a user */
  updateUser(userId: string, body: UserPatch, options: ChangeOptions): Promise<Answer<User>>

  /** Delete a user */
  deleteUser(userId: string, options: ChangeOptions): Promise<Answer<undefined>>

  /** Give a user a new password */
  setUserPassword(userId: string, body: NewPassword, options?: CallOptions): Promise<Answer<undefined>>

  /** List a user's sessions */
  listUserSessions(userId: string, filters?: ListUserSessionsFilters, options?: CallOptions): List<Session>

  /** Sign a user out everywhere */
  endUserSessions(userId: string, options?: CallOptions): Promise<Answer<undefined>>

  /** Read a user's session */
  readUserSession(userId: string, sessionId: string, options?: ReadOptions<Session>): Promise<Answer<Session>>

  /** End a session */
  endUserSession(userId: string, sessionId: string, options?: CallOptions): Promise<Answer<undefined>>

  /** List a user's consents */
  listUserConsents(userId: string, filters?: ListUserConsentsFilters, options?: CallOptions): List<Consent>

  /** Read a user's consent */
  readUserConsent(userId: string, consentId: string, options?: ReadOptions<Consent>): Promise<Answer<Consent>>

  /** Withdraw a consent */
  withdrawUserConsent(userId: string, consentId: string, options?: CallOptions): Promise<Answer<undefined>>

  /** List a user's token families */
  listUserTokenFamilies(
    userId: string,
    filters?: ListUserTokenFamiliesFilters,
    options?: CallOptions,
  ): List<TokenFamily>

  /** Read a user's token family */
  readUserTokenFamily(
    userId: string,
    familyId: string,
    options?: ReadOptions<TokenFamily>,
  ): Promise<Answer<TokenFamily>>

  /** Revoke a token family */
  revokeUserTokenFamily(userId: string, familyId: string, options?: CallOptions): Promise<Answer<undefined>>

  /** List resources */
  listResources(filters?: ListResourcesFilters, options?: CallOptions): List<Resource>

  /** Register a resource */
  createResource(body: NewResource, options?: CreateOptions): Promise<Answer<Resource>>

  /** Read a resource */
  readResource(resourceId: string, options?: ReadOptions<Resource>): Promise<Answer<Resource>>

  /** Replace the settings of a resource */
  replaceResource(resourceId: string, body: ResourceReplacement, options: ChangeOptions): Promise<Answer<Resource>>

  /** Change a resource */
  updateResource(resourceId: string, body: ResourceChange, options: ChangeOptions): Promise<Answer<Resource>>

  /** Delete a resource */
  deleteResource(resourceId: string, options: ChangeOptions): Promise<Answer<undefined>>

  /** List clients */
  listClients(filters?: ListClientsFilters, options?: CallOptions): List<Client>

  /** Register a client */
  createClient(body: NewClient, options?: CreateOptions): Promise<Answer<CreatedClient>>

  /** Read a client */
  readClient(clientId: string, options?: ReadOptions<Client>): Promise<Answer<Client>>

  /** Replace the settings of a client */
  replaceClient(clientId: string, body: ClientReplacement, options: ChangeOptions): Promise<Answer<Client>>

  /** Change a client, disable or enable it */
  updateClient(clientId: string, body: ClientChange, options: ChangeOptions): Promise<Answer<Client>>

  /** Delete a client */
  deleteClient(clientId: string, options: ChangeOptions): Promise<Answer<undefined>>

  /** List the secrets of a client */
  listClientSecrets(clientId: string, filters?: ListClientSecretsFilters, options?: CallOptions): List<ClientSecret>

  /** Give a client a new secret */
  rotateClientSecret(clientId: string, body?: SecretRotation, options?: CreateOptions): Promise<Answer<NewClientSecret>>

  /** End a secret of a client */
  deleteClientSecret(clientId: string, secretId: string, options?: CallOptions): Promise<Answer<undefined>>

  /** List API keys */
  listApiKeys(filters?: ListApiKeysFilters, options?: CallOptions): List<ApiKey>

  /** Make an API key */
  createApiKey(body: NewApiKey, options?: CreateOptions): Promise<Answer<ShownApiKey>>

  /** Read an API key */
  readApiKey(apiKeyId: string, options?: ReadOptions<ApiKey>): Promise<Answer<ApiKey>>

  /** Rename an API key, or give it other scopes */
  updateApiKey(apiKeyId: string, body: ApiKeyChange, options: ChangeOptions): Promise<Answer<ApiKey>>

  /** Revoke an API key */
  revokeApiKey(apiKeyId: string, options: ChangeOptions): Promise<Answer<undefined>>

  /** Give an API key a new value */
  rotateApiKey(apiKeyId: string, body?: ApiKeyRotation, options?: CreateOptions): Promise<Answer<ShownApiKey>>

  /** List signing keys */
  listKeys(filters?: ListKeysFilters, options?: CallOptions): List<SigningKey>

  /** Read a signing key */
  readKey(kid: string, options?: ReadOptions<SigningKey>): Promise<Answer<SigningKey>>

  /** Take a signing key out of use at once */
  deleteKey(kid: string, options?: CallOptions): Promise<Answer<KeyRevocation>>

  /** Let the next keys sign now */
  rotateKeys(body?: KeyRotationRequest, options?: CallOptions): Promise<Answer<KeyRotations>>

  /** List webhooks */
  listWebhooks(filters?: ListWebhooksFilters, options?: CallOptions): List<Webhook>

  /** Subscribe a URL to events */
  createWebhook(body: NewWebhook, options?: CreateOptions): Promise<Answer<CreatedWebhook>>

  /** Read a webhook */
  readWebhook(webhookId: string, options?: ReadOptions<Webhook>): Promise<Answer<Webhook>>

  /** Replace the settings of a webhook */
  replaceWebhook(webhookId: string, body: WebhookReplacement, options: ChangeOptions): Promise<Answer<Webhook>>

  /** Change a webhook, pause or resume it */
  updateWebhook(webhookId: string, body: WebhookChange, options: ChangeOptions): Promise<Answer<Webhook>>

  /** Delete a webhook */
  deleteWebhook(webhookId: string, options: ChangeOptions): Promise<Answer<undefined>>

  /** Give a webhook a new secret */
  rotateWebhookSecret(
    webhookId: string,
    body?: WebhookSecretRotation,
    options?: CreateOptions,
  ): Promise<Answer<CreatedWebhook>>

  /** List the deliveries of a webhook */
  listWebhookDeliveries(
    webhookId: string,
    filters?: ListWebhookDeliveriesFilters,
    options?: CallOptions,
  ): List<WebhookDelivery>

  /** Deliver events again */
  replayWebhookDeliveries(webhookId: string, body: Replay, options?: CreateOptions): Promise<Answer<Replayed>>

  /** Read a delivery with its attempts */
  readWebhookDelivery(
    webhookId: string,
    deliveryId: string,
    options?: ReadOptions<WebhookDeliveryDetails>,
  ): Promise<Answer<WebhookDeliveryDetails>>

  /** Have a test event delivered */
  testWebhook(webhookId: string, options?: CreateOptions): Promise<Answer<WebhookDelivery>>

  /** Read or follow events */
  listEvents(filters?: ListEventsFilters, options?: CallOptions): List<PlacedEvent>

  /** List audit events */
  listAuditEvents(filters?: ListAuditEventsFilters, options?: CallOptions): List<AuditEvent>

  /** Read an audit event */
  readAuditEvent(auditEventId: string, options?: ReadOptions<AuditEvent>): Promise<Answer<AuditEvent>>
}

export type ListUsersFilters = {
  /** Only users with this role. */
  role?: string
  /** Only users whose account is shut, or only those whose account is open. */
  disabled?: boolean
  /** Only the user with this username, in any spelling. */
  username?: string
  /** Only the user with this e-mail address, in any spelling. */
  email?: string
  /** Only users whose username, e-mail address or name begins with this, whatever its case. */
  q?: string
  /** Only those after this time. */
  'created_at[gt]'?: string | Date
  /** Only those at or after this time. */
  'created_at[gte]'?: string | Date
  /** Only those before this time. */
  'created_at[lt]'?: string | Date
  /** Only those at or before this time. */
  'created_at[lte]'?: string | Date
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** The number of the page, from 1; `page` × `limit` is 10,000 at most, a cursor goes as deep as you like. */
  page?: number
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at' | 'updated_at' | '-updated_at' | 'username' | '-username'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    | 'id'
    | 'username'
    | 'email'
    | 'email_verified'
    | 'name'
    | 'roles'
    | 'disabled'
    | 'disabled_at'
    | 'password_changed_at'
    | 'version'
    | 'created_at'
    | 'updated_at'
    | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListUserSessionsFilters = {
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at' | 'last_seen_at' | '-last_seen_at'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly ('id' | 'user_agent' | 'address' | 'signed_in_at' | 'last_seen_at' | 'expires_at' | 'links')[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListUserConsentsFilters = {
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'granted_at' | '-granted_at'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    'id' | 'client_id' | 'client_name' | 'openid_scopes' | 'resources' | 'granted_at' | 'expires_at' | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListUserTokenFamiliesFilters = {
  /** Only those of this app. */
  client_id?: string
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at' | 'expires_at' | '-expires_at'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    | 'id'
    | 'client_id'
    | 'client_name'
    | 'session_id'
    | 'openid_scopes'
    | 'resources'
    | 'created_at'
    | 'expires_at'
    | 'last_refreshed_at'
    | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListResourcesFilters = {
  /** Only the resource with this audience, in any spelling. */
  audience?: string
  /** Only resources with such tokens. */
  token_format?: 'jwt' | 'opaque'
  /** Only Grantry’s own, or only others. */
  built_in?: boolean
  /** Part of the name or of the audience, in any case. */
  q?: string
  /** Only those after this time. */
  'created_at[gt]'?: string | Date
  /** Only those at or after this time. */
  'created_at[gte]'?: string | Date
  /** Only those before this time. */
  'created_at[lt]'?: string | Date
  /** Only those at or before this time. */
  'created_at[lte]'?: string | Date
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** The number of the page, from 1; `page` × `limit` is 10,000 at most, a cursor goes as deep as you like. */
  page?: number
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at' | 'updated_at' | '-updated_at' | 'name' | '-name' | 'audience' | '-audience'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    | 'id'
    | 'audience'
    | 'name'
    | 'token_format'
    | 'signing_alg'
    | 'access_token_ttl'
    | 'token_claims'
    | 'introspection_clients'
    | 'self_registered_scopes'
    | 'scopes'
    | 'built_in'
    | 'version'
    | 'created_at'
    | 'updated_at'
    | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListClientsFilters = {
  /** Only clients of this kind. */
  kind?: 'web' | 'spa' | 'native' | 'service'
  /** Only those that are disabled, or that are not. */
  disabled?: boolean
  /** Only the operator’s own, or only others. */
  first_party?: boolean
  /** Part of the name or of the id, in any case. */
  q?: string
  /** Only those after this time. */
  'created_at[gt]'?: string | Date
  /** Only those at or after this time. */
  'created_at[gte]'?: string | Date
  /** Only those before this time. */
  'created_at[lt]'?: string | Date
  /** Only those at or before this time. */
  'created_at[lte]'?: string | Date
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** The number of the page, from 1; `page` × `limit` is 10,000 at most, a cursor goes as deep as you like. */
  page?: number
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at' | 'updated_at' | '-updated_at' | 'name' | '-name'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    | 'id'
    | 'kind'
    | 'name'
    | 'token_endpoint_auth_method'
    | 'grant_types'
    | 'redirect_uris'
    | 'post_logout_redirect_uris'
    | 'backchannel_logout_uri'
    | 'backchannel_logout_session_required'
    | 'allowed_origins'
    | 'openid_scopes'
    | 'first_party'
    | 'profile'
    | 'dpop_bound_access_tokens'
    | 'require_par'
    | 'jwks'
    | 'exchange_from'
    | 'built_in'
    | 'self_registered'
    | 'metadata_url'
    | 'disabled'
    | 'disabled_at'
    | 'access'
    | 'secrets'
    | 'version'
    | 'created_at'
    | 'updated_at'
    | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListClientSecretsFilters = {
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly ('id' | 'hint' | 'created_at' | 'expires_at' | 'links')[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListApiKeysFilters = {
  /** Only those that were revoked, or that were not. */
  revoked?: boolean
  /** Only those whose time is over, or is not. */
  expired?: boolean
  /** Only those after this time. */
  'created_at[gt]'?: string | Date
  /** Only those at or after this time. */
  'created_at[gte]'?: string | Date
  /** Only those before this time. */
  'created_at[lt]'?: string | Date
  /** Only those at or before this time. */
  'created_at[lte]'?: string | Date
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** The number of the page, from 1; `page` × `limit` is 10,000 at most, a cursor goes as deep as you like. */
  page?: number
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at' | 'name' | '-name' | 'last_used_at' | '-last_used_at'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    | 'id'
    | 'name'
    | 'hint'
    | 'scopes'
    | 'previous'
    | 'created_by'
    | 'created_at'
    | 'updated_at'
    | 'expires_at'
    | 'last_used_at'
    | 'revoked_at'
    | 'version'
    | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListKeysFilters = {
  /** Only keys of this algorithm. */
  alg?: 'RS256' | 'ES256' | 'Ed25519'
  /** Only keys in this state. */
  state?: 'next' | 'current' | 'previous'
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** The number of the page, from 1; `page` × `limit` is 10,000 at most, a cursor goes as deep as you like. */
  page?: number
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'published_at' | '-published_at' | 'alg' | '-alg'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    'id' | 'kid' | 'alg' | 'state' | 'public_jwk' | 'published_at' | 'activated_at' | 'retired_at' | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListWebhooksFilters = {
  /** Only those in this state. */
  state?: 'active' | 'paused' | 'disabled'
  /** Only those of this user, client or API key. */
  owner?: string
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** The number of the page, from 1; `page` × `limit` is 10,000 at most, a cursor goes as deep as you like. */
  page?: number
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at' | 'url' | '-url'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    | 'id'
    | 'url'
    | 'events'
    | 'description'
    | 'legacy_headers'
    | 'state'
    | 'state_reason'
    | 'owner'
    | 'previous_secret_until'
    | 'failures'
    | 'failing_since'
    | 'last_delivered_at'
    | 'version'
    | 'created_at'
    | 'updated_at'
    | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListWebhookDeliveriesFilters = {
  /** Only those in this state. */
  state?: 'pending' | 'delivered' | 'failed'
  /** Only those of this type. */
  event_type?:
    | 'user.created'
    | 'user.updated'
    | 'user.disabled'
    | 'user.enabled'
    | 'user.deleted'
    | 'user.password_changed'
    | 'user.signed_out'
    | 'session.started'
    | 'session.ended'
    | 'login.succeeded'
    | 'login.failed'
    | 'login.throttled'
    | 'consent.granted'
    | 'consent.skipped'
    | 'consent.withdrawn'
    | 'token.issued'
    | 'token.refreshed'
    | 'token.revoked'
    | 'grant.revoked'
    | 'authorization_code.reuse_detected'
    | 'device_code.reuse_detected'
    | 'refresh_token.reuse_detected'
    | 'client.created'
    | 'client.updated'
    | 'client.disabled'
    | 'client.enabled'
    | 'client.secret_rotated'
    | 'client.secret_deleted'
    | 'client.deleted'
    | 'registration_token.created'
    | 'registration_token.revoked'
    | 'resource.created'
    | 'resource.updated'
    | 'resource.deleted'
    | 'api_key.created'
    | 'api_key.updated'
    | 'api_key.rotated'
    | 'api_key.revoked'
    | 'key.published'
    | 'key.activated'
    | 'key.retired'
    | 'key.removed'
    | 'key.revoked'
    | 'webhook.created'
    | 'webhook.updated'
    | 'webhook.secret_rotated'
    | 'webhook.paused'
    | 'webhook.disabled'
    | 'webhook.deleted'
    | 'webhook.test'
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'created_at' | '-created_at'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    'id' | 'event_id' | 'event_type' | 'state' | 'attempts' | 'next_attempt_at' | 'created_at' | 'finished_at' | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListEventsFilters = {
  /** The cursor after which to go on: `next_cursor` of the answer before. `latest`: only what comes from now on. Left out: from the oldest event that is kept; for a stream, from now on. */
  after?: string
  /** In place of `after`: everything that was written at this time or later, as far as it is kept. */
  since?: string | Date
  /** How many at most; 100 unless given. More than 1000 count as 1000. */
  limit?: string
  /** Only events of these channels, with commas between. */
  channels?: string
  /** Only events of these types, with commas between. */
  types?: string
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly ('data' | 'pagination' | 'links')[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

export type ListAuditEventsFilters = {
  /** Only what was done to the thing with this id. */
  subject?: string
  /** Only what this user, client or API key did, or `cli` or `system`. */
  actor?: string
  /** Only this action. */
  action?:
    | 'user.create'
    | 'user.update'
    | 'user.set_password'
    | 'user.disable'
    | 'user.enable'
    | 'user.delete'
    | 'user.sign_out'
    | 'client.create'
    | 'client.update'
    | 'client.rotate_secret'
    | 'client.delete_secret'
    | 'client.disable'
    | 'client.enable'
    | 'client.delete'
    | 'resource.create'
    | 'resource.update'
    | 'resource.delete'
    | 'api_key.create'
    | 'api_key.update'
    | 'api_key.rotate'
    | 'api_key.revoke'
    | 'registration_token.create'
    | 'registration_token.revoke'
    | 'webhook.create'
    | 'webhook.update'
    | 'webhook.rotate_secret'
    | 'webhook.pause'
    | 'webhook.disable'
    | 'webhook.delete'
    | 'consent.grant'
    | 'consent.skip'
    | 'consent.withdraw'
    | 'session.end'
    | 'grant.revoke'
    | 'grant.revoke_after_code_reuse'
    | 'grant.revoke_after_token_reuse'
    | 'key.publish'
    | 'key.activate'
    | 'key.retire'
    | 'key.remove'
    | 'key.revoke'
    | 'master_key.rewrap'
  /** Only what is about this user. */
  user_id?: string
  /** Only those after this time. */
  'at[gt]'?: string | Date
  /** Only those at or after this time. */
  'at[gte]'?: string | Date
  /** Only those before this time. */
  'at[lt]'?: string | Date
  /** Only those at or before this time. */
  'at[lte]'?: string | Date
  /** How many on a page. More than 100 is brought down to 100. */
  limit?: number
  /** Where to go on: `next_cursor` of the page before. It is good for the same filters and order only. */
  cursor?: string
  /** `total_count` adds how many there are in all. */
  include?: 'total_count'
  /** What to sort by; `-` before it turns the order round. */
  sort?: 'at' | '-at'
  /** Only these fields of each thing, separated by commas; `id` and `links` always come along. */
  fields?: readonly (
    | 'id'
    | 'at'
    | 'actor'
    | 'channel'
    | 'os_user'
    | 'address'
    | 'user_agent'
    | 'trace_id'
    | 'action'
    | 'subject_kind'
    | 'subject_id'
    | 'user_id'
    | 'before'
    | 'after'
    | 'links'
  )[]
  /** The version of the API. The path names it already; if both do, they must agree. */
  version?: number
}

/** Of the problems that the API may answer with. */
export type ProblemCode =
  | 'audience-taken'
  | 'built-in'
  | 'conflict'
  | 'content-too-large'
  | 'cursor-invalid'
  | 'cursor-mismatch'
  | 'email-taken'
  | 'history-gone'
  | 'idempotency-key-in-flight'
  | 'idempotency-key-invalid'
  | 'idempotency-key-reused'
  | 'insufficient-scope'
  | 'internal-error'
  | 'invalid-request'
  | 'key-ended'
  | 'last-secret'
  | 'next-key-too-young'
  | 'no-secret'
  | 'not-acceptable'
  | 'not-found'
  | 'overlap-runs'
  | 'own-account'
  | 'precondition-failed'
  | 'precondition-required'
  | 'privilege-raised'
  | 'too-many-requests'
  | 'unauthenticated'
  | 'unavailable'
  | 'unsupported-media-type'
  | 'username-taken'
  | 'version-conflict'
  | 'version-unknown'
  | 'webhook-inactive'

export type ApiKey = {
  /** `apk_…` */
  id: string
  /** What it is for. */
  name: string
  /** The last four characters of its value. */
  hint: string
  /** What it may do. */
  scopes: (
    | 'users:read'
    | 'users:write'
    | 'clients:read'
    | 'clients:write'
    | 'resources:read'
    | 'resources:write'
    | 'api-keys:read'
    | 'api-keys:write'
    | 'keys:read'
    | 'keys:write'
    | 'webhooks:read'
    | 'webhooks:write'
    | 'events:read'
    | 'audit-events:read'
  )[]
  /** The value before the last rotation, while it still works. */
  previous: {
    hint: string
    /** When it ends. */
    expires_at: string
  } | null
  /** A user, client or API key by its id, or `cli`. */
  created_by: string | null
  /** When it was made. */
  created_at: string
  /** When it last changed. */
  updated_at: string
  expires_at: string | null
  last_used_at: string | null
  revoked_at: string | null
  /** Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`. */
  version: number
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Renames it, or gives it other scopes. */
    update?: Link
    /** Gives it a new value. */
    rotate?: Link
    /** Revokes it. It stays in the list. */
    delete?: Link
  }
}

/** What is left out stays as it is. Scopes count from the next request with the key. */
export type ApiKeyChange = {
  /** What it is for. */
  name?: string
  /** What it may do. Nobody gives a key more than they have. */
  scopes?: (
    | 'users:read'
    | 'users:write'
    | 'clients:read'
    | 'clients:write'
    | 'resources:read'
    | 'resources:write'
    | 'api-keys:read'
    | 'api-keys:write'
    | 'keys:read'
    | 'keys:write'
    | 'webhooks:read'
    | 'webhooks:write'
    | 'events:read'
    | 'audit-events:read'
  )[]
}

/** A key to the management API was made. */
export type ApiKeyCreatedEvent = EventEnvelope & {
  type: 'api_key.created'
  data: {
    /** What it is for. */
    name: string
    /** What it may do. */
    scopes: string[]
    /** When it ends. */
    expires_at: string | null
  }
}

/** An API key ended. */
export type ApiKeyRevokedEvent = EventEnvelope & {
  type: 'api_key.revoked'
  data: Record<string, never>
}

/** An API key has a new value. */
export type ApiKeyRotatedEvent = EventEnvelope & {
  type: 'api_key.rotated'
  data: {
    /** For how long the one before works on. */
    overlap_seconds: number
  }
}

export type ApiKeyRotation = {
  /** How long the value in use still works. 0 ends it at once, as after a leak. */
  overlap_seconds?: number
}

/** The name or scopes of an API key changed. */
export type ApiKeyUpdatedEvent = EventEnvelope & {
  type: 'api_key.updated'
  data: {
    /** The names of the fields that changed; not what they were or are. */
    fields: string[]
    /** What it may do. */
    scopes?: string[]
  }
}

/** One change, as it was recorded in its own transaction. Entries are never altered; of people who were deleted the names go. */
export type AuditEvent = {
  /** Grows with time: a number, in a string. */
  id: string
  /** When it was written. */
  at: string
  /** Who did it: the id of a user, a client or an API key, or `cli`, `first-run`, `system`. */
  actor: string
  /** The way in. */
  channel: 'cli' | 'page' | 'api' | 'system'
  /** Of a command: the account on the operating system that ran it. */
  os_user: string | null
  /** The IP address of the request. */
  address: string | null
  /** What the request said of its sender. */
  user_agent: string | null
  /** Of the request: the same as in its log lines and its answer. */
  trace_id: string | null
  /** What was done. */
  action:
    | 'user.create'
    | 'user.update'
    | 'user.set_password'
    | 'user.disable'
    | 'user.enable'
    | 'user.delete'
    | 'user.sign_out'
    | 'client.create'
    | 'client.update'
    | 'client.rotate_secret'
    | 'client.delete_secret'
    | 'client.disable'
    | 'client.enable'
    | 'client.delete'
    | 'resource.create'
    | 'resource.update'
    | 'resource.delete'
    | 'api_key.create'
    | 'api_key.update'
    | 'api_key.rotate'
    | 'api_key.revoke'
    | 'registration_token.create'
    | 'registration_token.revoke'
    | 'webhook.create'
    | 'webhook.update'
    | 'webhook.rotate_secret'
    | 'webhook.pause'
    | 'webhook.disable'
    | 'webhook.delete'
    | 'consent.grant'
    | 'consent.skip'
    | 'consent.withdraw'
    | 'session.end'
    | 'grant.revoke'
    | 'grant.revoke_after_code_reuse'
    | 'grant.revoke_after_token_reuse'
    | 'key.publish'
    | 'key.activate'
    | 'key.retire'
    | 'key.remove'
    | 'key.revoke'
    | 'master_key.rewrap'
  /** The kind of thing that was changed. */
  subject_kind: string
  /** The thing that was changed. */
  subject_id: string
  /** Whom it is about. */
  user_id: string | null
  /** The fields that changed, as they were; null: there was nothing before. */
  before: Record<string, unknown> | null
  /** The same fields, as they are since; null: there is nothing any more. */
  after: Record<string, unknown> | null
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** All that was done to the same thing. */
    subject_history?: Link
  }
}

/** A code was used twice: everything issued for it is revoked. */
export type AuthorizationCodeReuseDetectedEvent = EventEnvelope & {
  type: 'authorization_code.reuse_detected'
  data: Record<string, never>
}

export type Client = {
  /** `cli_…`; the client_id. */
  id: string
  /** `web` runs on a server and keeps a secret, `spa` runs in a browser, `native` on a device, `service` is a machine that acts for itself. It never changes. */
  kind: 'web' | 'spa' | 'native' | 'service'
  /** What people read on the consent page. */
  name: string
  /** How it proves itself at the token endpoint. Default: `client_secret_basic`, `private_key_jwt` where keys are given, or `none` for those that can keep neither. */
  token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  /** Default: what the kind usually needs. */
  grant_types: (
    | 'authorization_code'
    | 'refresh_token'
    | 'client_credentials'
    | 'urn:ietf:params:oauth:grant-type:device_code'
    | 'urn:ietf:params:oauth:grant-type:token-exchange'
  )[]
  /** Where a browser may be sent with a code, character by character. */
  redirect_uris: string[]
  /** Where a browser may be sent after logout. */
  post_logout_redirect_uris: string[]
  /** Where it is told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0). */
  backchannel_logout_uri: string | null
  /** Logout tokens must name the session. Here they always do. Default: false. */
  backchannel_logout_session_required: boolean
  /** Browser origins whose scripts may call the token endpoint. Default for `spa`: those of its redirect URIs. */
  allowed_origins: string[]
  /** What it may learn of people. Default: what the kind usually needs. */
  openid_scopes: ('openid' | 'profile' | 'email' | 'offline_access')[]
  /** It is the operator’s own and may skip consent. */
  first_party: boolean
  /** `baseline` (RFC 9700), `mcp` (a resource is always named) or `fapi2` (pushed requests, DPoP, private_key_jwt). Default: `baseline`. */
  profile: 'baseline' | 'mcp' | 'fapi2'
  /** It gets no token without a DPoP proof of its key (RFC 9449). Default: false. */
  dpop_bound_access_tokens: boolean
  /** It must push its authorization requests (RFC 9126): one that is made by address is refused. */
  require_par: boolean
  /** Its public keys, for `private_key_jwt` and for nothing else (RFC 7517 §5). */
  jwks: {
    keys: ClientKey[]
  } | null
  /** Audiences whose access tokens it may exchange for tokens of what it has access to (RFC 8693). */
  exchange_from: string[]
  /** Part of Grantry itself: it can be read and nothing else. */
  built_in: boolean
  /** It registered itself: it may ask for what resources open to such clients, and always asks for consent. */
  self_registered: boolean
  /** Its `client_id` when a document there describes it; null for a client whose `client_id` is its `id`. */
  metadata_url: string | null
  disabled: boolean
  disabled_at: string | null
  /** What it may ask of resources. */
  access: ClientAccess[]
  /** Its live secrets, oldest first, without their values. */
  secrets: ClientSecretHint[]
  /** Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`. */
  version: number
  /** When it was registered. */
  created_at: string
  /** When it last changed. */
  updated_at: string
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Its secrets. */
    secrets?: Link
    /** Gives it a new secret. */
    rotate_secret?: Link
    /** Sets it as a whole. */
    replace?: Link
    /** Changes a part of it. */
    update?: Link
    /** Shuts it out, with `{"disabled": true}`. */
    disable?: Link
    /** Lets it in again, with `{"disabled": false}`. */
    enable?: Link
    /** Removes it. */
    delete?: Link
  }
}

export type ClientAccess = {
  resource_id: string
  audience: string
  scopes: string[]
}

export type ClientAccessRequest = {
  /** A resource, by its id or its audience. */
  resource: string
  /** Scopes of that resource. */
  scopes: string[]
}

/** What is left out stays as it is; lists are replaced as a whole. */
export type ClientChange = {
  /** What people read on the consent page. */
  name?: string
  /** How it proves itself at the token endpoint. Default: `client_secret_basic`, `private_key_jwt` where keys are given, or `none` for those that can keep neither. */
  token_endpoint_auth_method?: 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  /** Default: what the kind usually needs. */
  grant_types?: (
    | 'authorization_code'
    | 'refresh_token'
    | 'client_credentials'
    | 'urn:ietf:params:oauth:grant-type:device_code'
    | 'urn:ietf:params:oauth:grant-type:token-exchange'
  )[]
  /** Where a browser may be sent with a code, character by character. */
  redirect_uris?: string[]
  /** Where a browser may be sent after logout. */
  post_logout_redirect_uris?: string[]
  /** Where it is told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0). */
  backchannel_logout_uri?: string | null
  /** Logout tokens must name the session. Here they always do. Default: false. */
  backchannel_logout_session_required?: boolean
  /** Browser origins whose scripts may call the token endpoint. Default for `spa`: those of its redirect URIs. */
  allowed_origins?: string[]
  /** What it may learn of people. Default: what the kind usually needs. */
  openid_scopes?: ('openid' | 'profile' | 'email' | 'offline_access')[]
  /** It is the operator’s own and may skip consent. */
  first_party?: boolean
  /** `baseline` (RFC 9700), `mcp` (a resource is always named) or `fapi2` (pushed requests, DPoP, private_key_jwt). Default: `baseline`. */
  profile?: 'baseline' | 'mcp' | 'fapi2'
  /** It gets no token without a DPoP proof of its key (RFC 9449). Default: false. */
  dpop_bound_access_tokens?: boolean
  /** It must push its authorization requests (RFC 9126): one that is made by address is refused. */
  require_par?: boolean
  /** Its public keys, for `private_key_jwt` and for nothing else (RFC 7517 §5). */
  jwks?: {
    keys: ClientKey[]
  } | null
  /** Audiences whose access tokens it may exchange for tokens of what it has access to (RFC 8693). */
  exchange_from?: string[]
  /** What it may ask of resources. The list is set as a whole. */
  access?: ClientAccessRequest[]
  /** true shuts the client out and ends its tokens; false lets it in again. */
  disabled?: boolean
}

/** A client was registered. */
export type ClientCreatedEvent = EventEnvelope & {
  type: 'client.created'
  data: {
    /** `web`, `spa`, `native` or `service`. */
    kind: string
    /** Whether consent may be skipped for it. */
    first_party: boolean
    /** Whether it registered itself, so that nobody vouches for it. */
    self_registered?: boolean
  }
}

/** A client is gone. */
export type ClientDeletedEvent = EventEnvelope & {
  type: 'client.deleted'
  data: {
    /** What it was called. */
    name: string
    /** How many token families ended with it. */
    grants_revoked: number
  }
}

/** A client may do nothing any more. */
export type ClientDisabledEvent = EventEnvelope & {
  type: 'client.disabled'
  data: {
    /** How many token families ended with it. */
    grants_revoked: number
  }
}

/** A client may ask for tokens again. */
export type ClientEnabledEvent = EventEnvelope & {
  type: 'client.enabled'
  data: {
    /** How many token families ended with it. */
    grants_revoked: number
  }
}

/** A public JWK: EC P-256, OKP Ed25519 or RSA with 2048 bits or more. */
export type ClientKey = {
  kty: 'EC' | 'OKP' | 'RSA'
  kid?: string
  use?: string
  alg?: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

/** What is left out takes its default. Whether the client is disabled stays as it is. */
export type ClientReplacement = {
  /** `web` runs on a server and keeps a secret, `spa` runs in a browser, `native` on a device, `service` is a machine that acts for itself. It never changes. */
  kind?: 'web' | 'spa' | 'native' | 'service'
  /** What people read on the consent page. */
  name: string
  /** How it proves itself at the token endpoint. Default: `client_secret_basic`, `private_key_jwt` where keys are given, or `none` for those that can keep neither. */
  token_endpoint_auth_method?: 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  /** Default: what the kind usually needs. */
  grant_types?: (
    | 'authorization_code'
    | 'refresh_token'
    | 'client_credentials'
    | 'urn:ietf:params:oauth:grant-type:device_code'
    | 'urn:ietf:params:oauth:grant-type:token-exchange'
  )[]
  /** Where a browser may be sent with a code, character by character. */
  redirect_uris?: string[]
  /** Where a browser may be sent after logout. */
  post_logout_redirect_uris?: string[]
  /** Where it is told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0). */
  backchannel_logout_uri?: string | null
  /** Logout tokens must name the session. Here they always do. Default: false. */
  backchannel_logout_session_required?: boolean
  /** Browser origins whose scripts may call the token endpoint. Default for `spa`: those of its redirect URIs. */
  allowed_origins?: string[]
  /** What it may learn of people. Default: what the kind usually needs. */
  openid_scopes?: ('openid' | 'profile' | 'email' | 'offline_access')[]
  /** It is the operator’s own and may skip consent. */
  first_party?: boolean
  /** `baseline` (RFC 9700), `mcp` (a resource is always named) or `fapi2` (pushed requests, DPoP, private_key_jwt). Default: `baseline`. */
  profile?: 'baseline' | 'mcp' | 'fapi2'
  /** It gets no token without a DPoP proof of its key (RFC 9449). Default: false. */
  dpop_bound_access_tokens?: boolean
  /** It must push its authorization requests (RFC 9126): one that is made by address is refused. */
  require_par?: boolean
  /** Its public keys, for `private_key_jwt` and for nothing else (RFC 7517 §5). */
  jwks?: {
    keys: ClientKey[]
  } | null
  /** Audiences whose access tokens it may exchange for tokens of what it has access to (RFC 8693). */
  exchange_from?: string[]
  /** What it may ask of resources. The list is set as a whole. */
  access?: ClientAccessRequest[]
}

export type ClientSecret = {
  /** `sec_…` */
  id: string
  /** The last four characters. */
  hint: string
  /** When it was made. */
  created_at: string
  expires_at: string | null
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Whose it is. */
    client?: Link
    /** Ends it at once. */
    delete?: Link
  }
}

/** One of the secrets of a client ended. */
export type ClientSecretDeletedEvent = EventEnvelope & {
  type: 'client.secret_deleted'
  data: {
    /** The id of the secret, `sec_…`. */
    secret_id: string
  }
}

export type ClientSecretHint = {
  /** `sec_…` */
  id: string
  /** The last four characters. */
  hint: string
  /** When it was made. */
  created_at: string
  expires_at: string | null
}

/** A client has a new secret. */
export type ClientSecretRotatedEvent = EventEnvelope & {
  type: 'client.secret_rotated'
  data: {
    /** The id of the secret, `sec_…`. */
    secret_id: string
    /** For how long the one before works on. */
    overlap_seconds: number
  }
}

/** The settings of a client changed. */
export type ClientUpdatedEvent = EventEnvelope & {
  type: 'client.updated'
  data: {
    /** The names of the fields that changed; not what they were or are. */
    fields: string[]
    /** Whether consent may be skipped for it. */
    first_party?: boolean
  }
}

/** What someone allows one app. */
export type Consent = {
  /** Names the consent among those of the user: the id of the app. */
  id: string
  /** The id of the app. */
  client_id: string
  /** The name of the app. */
  client_name: string
  /** The OpenID scopes. */
  openid_scopes: string[]
  /** Scopes by the audience of the API. */
  resources: Record<string, string[]>
  /** When they last said yes. */
  granted_at: string
  expires_at: string | null
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Whose it is. */
    user?: Link
    /** The app. */
    client?: Link
    /** Withdraw it. */
    delete?: Link
  }
}

/** A person allowed a client something. */
export type ConsentGrantedEvent = EventEnvelope & {
  type: 'consent.granted'
  data: {
    /** OpenID Connect scopes. */
    openid: string[]
    /** Scopes by the audience of the resource. */
    resources: Record<string, string[]>
    /** When it ends. */
    expires_at: string | null
  }
}

/** A first-party client was allowed something without asking the person. */
export type ConsentSkippedEvent = EventEnvelope & {
  type: 'consent.skipped'
  data: {
    /** OpenID Connect scopes. */
    openid: string[]
    /** Scopes by the audience of the resource. */
    resources: Record<string, string[]>
  }
}

/** A person took back everything that they had allowed a client. */
export type ConsentWithdrawnEvent = EventEnvelope & {
  type: 'consent.withdrawn'
  data: {
    /** How many token families ended with it. */
    grants_revoked: number
  }
}

export type CreatedClient = {
  /** `cli_…`; the client_id. */
  id: string
  /** `web` runs on a server and keeps a secret, `spa` runs in a browser, `native` on a device, `service` is a machine that acts for itself. It never changes. */
  kind: 'web' | 'spa' | 'native' | 'service'
  /** What people read on the consent page. */
  name: string
  /** How it proves itself at the token endpoint. Default: `client_secret_basic`, `private_key_jwt` where keys are given, or `none` for those that can keep neither. */
  token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  /** Default: what the kind usually needs. */
  grant_types: (
    | 'authorization_code'
    | 'refresh_token'
    | 'client_credentials'
    | 'urn:ietf:params:oauth:grant-type:device_code'
    | 'urn:ietf:params:oauth:grant-type:token-exchange'
  )[]
  /** Where a browser may be sent with a code, character by character. */
  redirect_uris: string[]
  /** Where a browser may be sent after logout. */
  post_logout_redirect_uris: string[]
  /** Where it is told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0). */
  backchannel_logout_uri: string | null
  /** Logout tokens must name the session. Here they always do. Default: false. */
  backchannel_logout_session_required: boolean
  /** Browser origins whose scripts may call the token endpoint. Default for `spa`: those of its redirect URIs. */
  allowed_origins: string[]
  /** What it may learn of people. Default: what the kind usually needs. */
  openid_scopes: ('openid' | 'profile' | 'email' | 'offline_access')[]
  /** It is the operator’s own and may skip consent. */
  first_party: boolean
  /** `baseline` (RFC 9700), `mcp` (a resource is always named) or `fapi2` (pushed requests, DPoP, private_key_jwt). Default: `baseline`. */
  profile: 'baseline' | 'mcp' | 'fapi2'
  /** It gets no token without a DPoP proof of its key (RFC 9449). Default: false. */
  dpop_bound_access_tokens: boolean
  /** It must push its authorization requests (RFC 9126): one that is made by address is refused. */
  require_par: boolean
  /** Its public keys, for `private_key_jwt` and for nothing else (RFC 7517 §5). */
  jwks: {
    keys: ClientKey[]
  } | null
  /** Audiences whose access tokens it may exchange for tokens of what it has access to (RFC 8693). */
  exchange_from: string[]
  /** Part of Grantry itself: it can be read and nothing else. */
  built_in: boolean
  /** It registered itself: it may ask for what resources open to such clients, and always asks for consent. */
  self_registered: boolean
  /** Its `client_id` when a document there describes it; null for a client whose `client_id` is its `id`. */
  metadata_url: string | null
  disabled: boolean
  disabled_at: string | null
  /** What it may ask of resources. */
  access: ClientAccess[]
  /** Its live secrets, oldest first, without their values. */
  secrets: ClientSecretHint[]
  /** Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`. */
  version: number
  /** When it was registered. */
  created_at: string
  /** When it last changed. */
  updated_at: string
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Its secrets. */
    secrets?: Link
    /** Gives it a new secret. */
    rotate_secret?: Link
    /** Sets it as a whole. */
    replace?: Link
    /** Changes a part of it. */
    update?: Link
    /** Shuts it out, with `{"disabled": true}`. */
    disable?: Link
    /** Lets it in again, with `{"disabled": false}`. */
    enable?: Link
    /** Removes it. */
    delete?: Link
  }
  /** The secret itself: in this answer and nowhere else, not in its replay either. null for clients without one. */
  client_secret?: string | null
  /** Only in the answer to a repeated request: the secret was told once, by the first. */
  secrets_omitted?: true
}

export type CreatedWebhook = {
  /** Names the webhook. */
  id: string
  /** Where to: https, at a public address; in development anything that can be reached. */
  url: string
  /** Which events: `user.created`, all of a kind (`user.*`), or `*` for all that its owner may see. */
  events: string[]
  /** What it is for. */
  description: string
  /** Also send `X-Webhook-Id`, `X-Webhook-Timestamp` and `X-Webhook-Signature`, and the type as `event`. */
  legacy_headers: boolean
  /** `paused` and `disabled` ones get nothing. Paused by its owner or after a delivery failed for three days; disabled when the receiver answered 410 or its owner lost the rights. */
  state: 'active' | 'paused' | 'disabled'
  /** Why it is not active. */
  state_reason: string | null
  /** By whose rights it sees events: the id of a user, client or API key. */
  owner: string
  previous_secret_until: string | null
  /** Attempts that failed since the last that did not. */
  failures: number
  failing_since: string | null
  last_delivered_at: string | null
  /** Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`. */
  version: number
  /** When it was made. */
  created_at: string
  /** When its settings were last changed. */
  updated_at: string
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** What was and is to be delivered. */
    deliveries?: Link
    /** Give it a new secret. */
    rotate_secret?: Link
    /** Have a test event delivered. */
    test?: Link
    /** Have events delivered again. */
    replay?: Link
    /** Replace its settings. */
    replace?: Link
    /** Change it. */
    update?: Link
    /** Pause it. */
    pause?: Link
    /** Make it active. */
    resume?: Link
    /** Delete it. */
    delete?: Link
  }
  /** What deliveries are signed with; told once, and not by a repetition. */
  secret?: string
  /** This is the repetition of an answer: the secret was told then. */
  secrets_omitted?: true
}

/** A device code was used twice: everything issued for it is revoked. */
export type DeviceCodeReuseDetectedEvent = EventEnvelope & {
  type: 'device_code.reuse_detected'
  data: Record<string, never>
}

/** Something that happened. It was written in the transaction that made it true. */
export type Event =
  | UserCreatedEvent
  | UserUpdatedEvent
  | UserDisabledEvent
  | UserEnabledEvent
  | UserDeletedEvent
  | UserPasswordChangedEvent
  | UserSignedOutEvent
  | SessionStartedEvent
  | SessionEndedEvent
  | LoginSucceededEvent
  | LoginFailedEvent
  | LoginThrottledEvent
  | ConsentGrantedEvent
  | ConsentSkippedEvent
  | ConsentWithdrawnEvent
  | TokenIssuedEvent
  | TokenRefreshedEvent
  | TokenRevokedEvent
  | GrantRevokedEvent
  | AuthorizationCodeReuseDetectedEvent
  | DeviceCodeReuseDetectedEvent
  | RefreshTokenReuseDetectedEvent
  | ClientCreatedEvent
  | ClientUpdatedEvent
  | ClientDisabledEvent
  | ClientEnabledEvent
  | ClientSecretRotatedEvent
  | ClientSecretDeletedEvent
  | ClientDeletedEvent
  | RegistrationTokenCreatedEvent
  | RegistrationTokenRevokedEvent
  | ResourceCreatedEvent
  | ResourceUpdatedEvent
  | ResourceDeletedEvent
  | ApiKeyCreatedEvent
  | ApiKeyUpdatedEvent
  | ApiKeyRotatedEvent
  | ApiKeyRevokedEvent
  | KeyPublishedEvent
  | KeyActivatedEvent
  | KeyRetiredEvent
  | KeyRemovedEvent
  | KeyRevokedEvent
  | WebhookCreatedEvent
  | WebhookUpdatedEvent
  | WebhookSecretRotatedEvent
  | WebhookPausedEvent
  | WebhookDisabledEvent
  | WebhookDeletedEvent
  | WebhookTestEvent

/** What every event has beside its type and its data. */
export type EventEnvelope = {
  /** The same each time the event is told. */
  id: string
  /** When it was written. The order of the list, not the time, says what came first. */
  at: string
  /** Who did it: the id of a user, client or API key, or `cli`, `system`. */
  actor: string | null
  /** The id of the thing that it happened to. */
  subject: string | null
  /** Whom it is about. */
  user_id: string | null
  /** Which client it is about. */
  client_id: string | null
}

/** A token family ended: its codes, access tokens and refresh tokens. */
export type GrantRevokedEvent = EventEnvelope & {
  type: 'grant.revoked'
  data: Record<string, never>
}

/** A signing key signs from now on. */
export type KeyActivatedEvent = EventEnvelope & {
  type: 'key.activated'
  data: {
    /** `RS256`, `ES256` or `Ed25519`. */
    alg: string
  }
}

/** A signing key is in the JWKS and does not sign yet. */
export type KeyPublishedEvent = EventEnvelope & {
  type: 'key.published'
  data: {
    /** `RS256`, `ES256` or `Ed25519`. */
    alg: string
  }
}

/** A signing key left the JWKS after everything that it signed had expired. */
export type KeyRemovedEvent = EventEnvelope & {
  type: 'key.removed'
  data: {
    /** `RS256`, `ES256` or `Ed25519`. */
    alg: string
  }
}

/** A signing key signs no more; what it signed is still good. */
export type KeyRetiredEvent = EventEnvelope & {
  type: 'key.retired'
  data: {
    /** `RS256`, `ES256` or `Ed25519`. */
    alg: string
  }
}

export type KeyRevocation = {
  /** The key that is gone. */
  kid: string
  /** The algorithm that it signs with. */
  alg: 'RS256' | 'ES256' | 'Ed25519'
  /** What it was. */
  state: 'next' | 'current' | 'previous'
  /** The key that signs now. */
  signer: string | null
  /** Until then a verifier that holds the JWKS may still accept what the key signed. */
  accepted_until: string
  refused_until: string | null
  /** What breaks, one sentence each. */
  consequences: string[]
}

/** A signing key was taken out of use: what it signed is worth nothing. */
export type KeyRevokedEvent = EventEnvelope & {
  type: 'key.revoked'
  data: {
    /** `RS256`, `ES256` or `Ed25519`. */
    alg: string
  }
}

export type KeyRotation = {
  /** The algorithm that it signs with. */
  alg: 'RS256' | 'ES256' | 'Ed25519'
  /** false: the next key is not published for long enough. */
  rotated: boolean
  /** The key that signs now. */
  kid: string
  /** The key that signed before; null where nothing changed. */
  retired: string | null
  possible_at: string | null
}

export type KeyRotationRequest = {
  /** Left out: every algorithm that keys are kept for. */
  alg?: 'RS256' | 'ES256' | 'Ed25519'
}

export type KeyRotations = {
  rotations: KeyRotation[]
}

/** Leads to a related thing, or to something that the caller may do. */
export type Link = {
  /** Where to send the request. */
  href: string
  /** How; left out: GET. */
  method?: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
}

/** A name or password was wrong; `user_id` only when there is such an account. */
export type LoginFailedEvent = EventEnvelope & {
  type: 'login.failed'
  data: {
    /** The IP address that it came from; a pseudonym once the person is erased. */
    address: string
  }
}

/** A name and password were right. */
export type LoginSucceededEvent = EventEnvelope & {
  type: 'login.succeeded'
  data: {
    /** The IP address that it came from; a pseudonym once the person is erased. */
    address: string
  }
}

/** After wrong guesses no more are taken for a while. */
export type LoginThrottledEvent = EventEnvelope & {
  type: 'login.throttled'
  data: {
    /** The IP address that it came from; a pseudonym once the person is erased. */
    address: string
    /** Whose guesses were counted. */
    by: 'account' | 'address'
    /** For how long. */
    seconds: number
  }
}

export type NewApiKey = {
  /** What it is for. */
  name: string
  /** What it may do. Nobody gives a key more than they have. */
  scopes: (
    | 'users:read'
    | 'users:write'
    | 'clients:read'
    | 'clients:write'
    | 'resources:read'
    | 'resources:write'
    | 'api-keys:read'
    | 'api-keys:write'
    | 'keys:read'
    | 'keys:write'
    | 'webhooks:read'
    | 'webhooks:write'
    | 'events:read'
    | 'audit-events:read'
  )[]
  /** When it ends. Left out, or null: when it is revoked. */
  expires_at?: string | null
}

export type NewClient = {
  /** `web` runs on a server and keeps a secret, `spa` runs in a browser, `native` on a device, `service` is a machine that acts for itself. It never changes. */
  kind: 'web' | 'spa' | 'native' | 'service'
  /** What people read on the consent page. */
  name: string
  /** How it proves itself at the token endpoint. Default: `client_secret_basic`, `private_key_jwt` where keys are given, or `none` for those that can keep neither. */
  token_endpoint_auth_method?: 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  /** Default: what the kind usually needs. */
  grant_types?: (
    | 'authorization_code'
    | 'refresh_token'
    | 'client_credentials'
    | 'urn:ietf:params:oauth:grant-type:device_code'
    | 'urn:ietf:params:oauth:grant-type:token-exchange'
  )[]
  /** Where a browser may be sent with a code, character by character. */
  redirect_uris?: string[]
  /** Where a browser may be sent after logout. */
  post_logout_redirect_uris?: string[]
  /** Where it is told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0). */
  backchannel_logout_uri?: string | null
  /** Logout tokens must name the session. Here they always do. Default: false. */
  backchannel_logout_session_required?: boolean
  /** Browser origins whose scripts may call the token endpoint. Default for `spa`: those of its redirect URIs. */
  allowed_origins?: string[]
  /** What it may learn of people. Default: what the kind usually needs. */
  openid_scopes?: ('openid' | 'profile' | 'email' | 'offline_access')[]
  /** It is the operator’s own and may skip consent. */
  first_party?: boolean
  /** `baseline` (RFC 9700), `mcp` (a resource is always named) or `fapi2` (pushed requests, DPoP, private_key_jwt). Default: `baseline`. */
  profile?: 'baseline' | 'mcp' | 'fapi2'
  /** It gets no token without a DPoP proof of its key (RFC 9449). Default: false. */
  dpop_bound_access_tokens?: boolean
  /** It must push its authorization requests (RFC 9126): one that is made by address is refused. */
  require_par?: boolean
  /** Its public keys, for `private_key_jwt` and for nothing else (RFC 7517 §5). */
  jwks?: {
    keys: ClientKey[]
  } | null
  /** Audiences whose access tokens it may exchange for tokens of what it has access to (RFC 8693). */
  exchange_from?: string[]
  /** What it may ask of resources. The list is set as a whole. */
  access?: ClientAccessRequest[]
}

export type NewClientSecret = {
  /** `sec_…` */
  id: string
  /** The last four characters. */
  hint: string
  /** When it was made. */
  created_at: string
  expires_at: string | null
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Whose it is. */
    client?: Link
    /** Ends it at once. */
    delete?: Link
  }
  /** The secret itself: in this answer and nowhere else, not in its replay either. */
  client_secret?: string
  /** Only in the answer to a repeated request: the secret was told once, by the first. */
  secrets_omitted?: true
}

export type NewPassword = {
  /** 15 to 128 characters, not made of well-known words, and without the username, the e-mail address or the name in it. Stored as a slow hash; nobody can read it again. */
  password: string
}

/** What is left out takes its default: `jwt`, `RS256`, the server’s lifetime, `auth_time` and `acr`, no scopes. */
export type NewResource = {
  /** An absolute URI (RFC 8707 §2): the `resource` that clients ask with, and the `aud` of its tokens. */
  audience: string
  /** What people call it. */
  name: string
  /** `jwt` (RFC 9068), which the API checks by itself, or `opaque`, for which it asks by introspection. */
  token_format?: 'jwt' | 'opaque'
  /** How its JWTs are signed. */
  signing_alg?: 'RS256' | 'ES256' | 'Ed25519'
  /** How long its access tokens live, in seconds; null: the server’s default. */
  access_token_ttl?: number | null
  /** What its tokens carry beyond RFC 9068 §2.2. */
  token_claims?: ('auth_time' | 'acr' | 'roles')[]
  /** Ids of the clients that stand for the API and may introspect its tokens, whoever got them (RFC 7662). */
  introspection_clients?: string[]
  /** Those of its scopes that any client which registered itself may ask for. Default: none. */
  self_registered_scopes?: string[]
  /** What clients may ask of it. The list is set as a whole; a scope that goes is taken from all clients. */
  scopes?: NewResourceScope[]
}

export type NewResourceScope = {
  /** As it stands in tokens. */
  name: string
  /** As it stands on the consent page, in English. */
  description: string
  /** The same in German; null: the English text is shown. */
  description_de?: string | null
}

/** An account to be made. */
export type NewUser = {
  /** The name to sign in with. Stored in lower case; an e-mail address only if it is the `email` as well. */
  username: string
  /** 15 to 128 characters, not made of well-known words, and without the username, the e-mail address or the name in it. Stored as a slow hash; nobody can read it again. */
  password: string
  email?: string | null
  /** Whether you know that the address is theirs. A changed address is not, unless you say so. */
  email_verified?: boolean
  name?: string | null
  /** Roles, each once. APIs see them in tokens, if their resource wants so. `grantry-admin`, `grantry-viewer`, `grantry-user-admin` and `grantry-client-admin` give access to this API: only callers who have that access can give or take them. */
  roles?: string[]
}

export type NewWebhook = {
  /** Where to: https, at a public address; in development anything that can be reached. */
  url: string
  /** Which events: `user.created`, all of a kind (`user.*`), or `*` for all that its owner may see. */
  events: string[]
  /** What it is for. */
  description?: string
  /** Also send `X-Webhook-Id`, `X-Webhook-Timestamp` and `X-Webhook-Signature`, and the type as `event`. */
  legacy_headers?: boolean
}

/** An event, and its place in the order of all. */
export type PlacedEvent = Event & {
  /** Give it in `after` to go on behind this event. */
  cursor: string
}

/** A refresh token was used again after its time: its family is revoked. */
export type RefreshTokenReuseDetectedEvent = EventEnvelope & {
  type: 'refresh_token.reuse_detected'
  data: Record<string, never>
}

/** A token was made with which apps register themselves. */
export type RegistrationTokenCreatedEvent = EventEnvelope & {
  type: 'registration_token.created'
  data: {
    /** Whom or what it is for. */
    name: string
    /** How many apps may register with it; null: any number. */
    most_uses: number | null
    /** When it ends. */
    expires_at: string | null
  }
}

/** A token with which apps register themselves ended. */
export type RegistrationTokenRevokedEvent = EventEnvelope & {
  type: 'registration_token.revoked'
  data: Record<string, never>
}

/** Which events to deliver again. */
export type Replay = ReplayOfOne | ReplayOfRange

export type ReplayOfOne = {
  /** This event. */
  event_id: string
}

export type ReplayOfRange = {
  /** From this cursor on. */
  from: string
  /** To this one, which is included; to the newest unless given. */
  to?: string
}

export type Replayed = {
  /** How many deliveries were made. */
  deliveries: number
  /** One call makes 10,000 deliveries: where the next has to begin; null: that was all. */
  next_from: string | null
}

export type Resource = {
  /** `res_…` */
  id: string
  /** An absolute URI (RFC 8707 §2): the `resource` that clients ask with, and the `aud` of its tokens. */
  audience: string
  /** What people call it. */
  name: string
  /** `jwt` (RFC 9068), which the API checks by itself, or `opaque`, for which it asks by introspection. */
  token_format: 'jwt' | 'opaque'
  /** How its JWTs are signed. */
  signing_alg: 'RS256' | 'ES256' | 'Ed25519'
  /** How long its access tokens live, in seconds; null: the server’s default. */
  access_token_ttl: number | null
  /** What its tokens carry beyond RFC 9068 §2.2. */
  token_claims: ('auth_time' | 'acr' | 'roles')[]
  /** Ids of the clients that stand for the API and may introspect its tokens, whoever got them (RFC 7662). */
  introspection_clients: string[]
  /** Those of its scopes that any client which registered itself may ask for. Default: none. */
  self_registered_scopes: string[]
  scopes: ResourceScope[]
  /** Part of Grantry itself, the management API: it can be read and nothing else. */
  built_in: boolean
  /** Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`. */
  version: number
  /** When it was registered. */
  created_at: string
  /** When it last changed. */
  updated_at: string
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Sets it as a whole. */
    replace?: Link
    /** Changes a part of it. */
    update?: Link
    /** Removes it, with its scopes and the consents given for it. */
    delete?: Link
  }
}

/** What is left out stays as it is; lists are replaced as a whole. */
export type ResourceChange = {
  /** What people call it. */
  name?: string
  /** `jwt` (RFC 9068), which the API checks by itself, or `opaque`, for which it asks by introspection. */
  token_format?: 'jwt' | 'opaque'
  /** How its JWTs are signed. */
  signing_alg?: 'RS256' | 'ES256' | 'Ed25519'
  /** How long its access tokens live, in seconds; null: the server’s default. */
  access_token_ttl?: number | null
  /** What its tokens carry beyond RFC 9068 §2.2. */
  token_claims?: ('auth_time' | 'acr' | 'roles')[]
  /** Ids of the clients that stand for the API and may introspect its tokens, whoever got them (RFC 7662). */
  introspection_clients?: string[]
  /** Those of its scopes that any client which registered itself may ask for. Default: none. */
  self_registered_scopes?: string[]
  /** What clients may ask of it. The list is set as a whole; a scope that goes is taken from all clients. */
  scopes?: NewResourceScope[]
}

/** An API was registered. */
export type ResourceCreatedEvent = EventEnvelope & {
  type: 'resource.created'
  data: {
    /** The audience of its tokens. */
    audience: string
  }
}

/** An API is gone, and its scopes from every client. */
export type ResourceDeletedEvent = EventEnvelope & {
  type: 'resource.deleted'
  data: {
    /** The audience of its tokens. */
    audience: string
  }
}

/** What is left out takes its default. The audience never changes. */
export type ResourceReplacement = {
  /** An absolute URI (RFC 8707 §2): the `resource` that clients ask with, and the `aud` of its tokens. */
  audience?: string
  /** What people call it. */
  name: string
  /** `jwt` (RFC 9068), which the API checks by itself, or `opaque`, for which it asks by introspection. */
  token_format?: 'jwt' | 'opaque'
  /** How its JWTs are signed. */
  signing_alg?: 'RS256' | 'ES256' | 'Ed25519'
  /** How long its access tokens live, in seconds; null: the server’s default. */
  access_token_ttl?: number | null
  /** What its tokens carry beyond RFC 9068 §2.2. */
  token_claims?: ('auth_time' | 'acr' | 'roles')[]
  /** Ids of the clients that stand for the API and may introspect its tokens, whoever got them (RFC 7662). */
  introspection_clients?: string[]
  /** Those of its scopes that any client which registered itself may ask for. Default: none. */
  self_registered_scopes?: string[]
  /** What clients may ask of it. The list is set as a whole; a scope that goes is taken from all clients. */
  scopes?: NewResourceScope[]
}

export type ResourceScope = {
  /** As it stands in tokens. */
  name: string
  /** As it stands on the consent page, in English. */
  description: string
  /** The same in German; null: the English text is shown. */
  description_de: string | null
}

/** The settings or scopes of an API changed. */
export type ResourceUpdatedEvent = EventEnvelope & {
  type: 'resource.updated'
  data: {
    /** The names of the fields that changed; not what they were or are. */
    fields: string[]
  }
}

export type SecretRotation = {
  /** How long the secret in use still works. 0 ends it at once, as after a leak. */
  overlap_seconds?: number
}

/** A browser in which someone is signed in. */
export type Session = {
  /** Names the session. It is not the value of its cookie and opens nothing. */
  id: string
  /** What the browser said that it is, when it signed in. */
  user_agent: string | null
  /** The IP address from which the session was last changed. */
  address: string | null
  signed_in_at: string | null
  /** When it was last used here. */
  last_seen_at: string
  /** When it ends if it is not used. */
  expires_at: string
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Whose it is. */
    user?: Link
    /** End it. */
    delete?: Link
  }
}

/** A person was signed out in one browser. */
export type SessionEndedEvent = EventEnvelope & {
  type: 'session.ended'
  data: {
    /** How many token families ended with it. */
    grants_revoked?: number
  }
}

/** A person signed in in a browser in which they were not signed in. */
export type SessionStartedEvent = EventEnvelope & {
  type: 'session.started'
  data: Record<string, never>
}

export type ShownApiKey = {
  /** `apk_…` */
  id: string
  /** What it is for. */
  name: string
  /** The last four characters of its value. */
  hint: string
  /** What it may do. */
  scopes: (
    | 'users:read'
    | 'users:write'
    | 'clients:read'
    | 'clients:write'
    | 'resources:read'
    | 'resources:write'
    | 'api-keys:read'
    | 'api-keys:write'
    | 'keys:read'
    | 'keys:write'
    | 'webhooks:read'
    | 'webhooks:write'
    | 'events:read'
    | 'audit-events:read'
  )[]
  /** The value before the last rotation, while it still works. */
  previous: {
    hint: string
    /** When it ends. */
    expires_at: string
  } | null
  /** A user, client or API key by its id, or `cli`. */
  created_by: string | null
  /** When it was made. */
  created_at: string
  /** When it last changed. */
  updated_at: string
  expires_at: string | null
  last_used_at: string | null
  revoked_at: string | null
  /** Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`. */
  version: number
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Renames it, or gives it other scopes. */
    update?: Link
    /** Gives it a new value. */
    rotate?: Link
    /** Revokes it. It stays in the list. */
    delete?: Link
  }
  /** The key itself, `grk_…`: in this answer and nowhere else, not in its replay either. */
  value?: string
  /** Only in the answer to a repeated request: the secret was told once, by the first. */
  secrets_omitted?: true
}

export type SigningKey = {
  /** RFC 7638 thumbprint. */
  id: string
  /** RFC 7638 thumbprint. */
  kid: string
  /** The algorithm that it signs with. */
  alg: 'RS256' | 'ES256' | 'Ed25519'
  /** `next` is published and does not sign yet, `current` signs, `previous` is kept to verify. */
  state: 'next' | 'current' | 'previous'
  /** The public half, as in the JWKS. */
  public_jwk: Record<string, string>
  /** When it came into the JWKS. */
  published_at: string
  activated_at: string | null
  retired_at: string | null
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** The keys as verifiers read them. */
    jwks?: Link
    /** Lets the next key sign now. */
    rotate?: Link
    /** Takes it out of use at once, as after a leak. */
    delete?: Link
  }
}

/** A grant to one app with every token that came of it: they live and end together. */
export type TokenFamily = {
  /** Names the family. It is no token and opens nothing. */
  id: string
  /** The id of the app. */
  client_id: string
  /** The name of the app. */
  client_name: string
  /** The session in which it was granted; it may have ended since. */
  session_id: string | null
  /** The OpenID scopes. */
  openid_scopes: string[]
  /** Scopes by the audience of the API. */
  resources: Record<string, string[]>
  /** When it was granted. */
  created_at: string
  /** When it ends, however often it is renewed. */
  expires_at: string
  last_refreshed_at: string | null
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Whose it is. */
    user?: Link
    /** The app. */
    client?: Link
    /** Revoke it. */
    delete?: Link
  }
}

/** A client got tokens with a code, for itself or by exchange: one event for each client, grant type and minute of an instance. */
export type TokenIssuedEvent = EventEnvelope & {
  type: 'token.issued'
  data: {
    /** The client that got them. */
    client_id: string
    /** As OAuth names it: `authorization_code`, for one. */
    grant_type: string
    /** How many answers of the token endpoint. */
    count: number
    /** When the first was given. */
    from: string
    /** When the last was given. */
    to: string
  }
}

/** A client renewed tokens with a refresh token: one event for each client and minute of an instance. */
export type TokenRefreshedEvent = EventEnvelope & {
  type: 'token.refreshed'
  data: {
    /** The client that got them. */
    client_id: string
    /** As OAuth names it: `authorization_code`, for one. */
    grant_type: string
    /** How many answers of the token endpoint. */
    count: number
    /** When the first was given. */
    from: string
    /** When the last was given. */
    to: string
  }
}

/** A token was revoked by its client, or by a person or operator. */
export type TokenRevokedEvent = EventEnvelope & {
  type: 'token.revoked'
  data: {
    /** What was revoked. A refresh token takes its family with it. */
    token_type: 'access_token' | 'refresh_token'
    /** The token family; null for a token that a client had for itself. */
    grant_id: string | null
    /** Its `jti`, of an access token that is a JWT: APIs know it by that. */
    token_id?: string
  }
}

/** A person who can sign in. */
export type User = {
  /** Names the user for good: the `sub` of tokens. */
  id: string
  /** The name to sign in with. Stored in lower case; an e-mail address only if it is the `email` as well. */
  username: string
  /** An e-mail address, which signs in too. Unique; stored in lower case. */
  email: string | null
  /** Whether you know that the address is theirs. A changed address is not, unless you say so. */
  email_verified: boolean
  /** What people call them: one line of up to 200 characters. */
  name: string | null
  /** Roles, each once. APIs see them in tokens, if their resource wants so. `grantry-admin`, `grantry-viewer`, `grantry-user-admin` and `grantry-client-admin` give access to this API: only callers who have that access can give or take them. */
  roles: string[]
  /** Whether the account is shut: nobody can sign in, and nothing of it is open. */
  disabled: boolean
  disabled_at: string | null
  password_changed_at: string | null
  /** Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`. */
  version: number
  /** When the account was made. */
  created_at: string
  /** When anything here last changed. */
  updated_at: string
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** Where they are signed in. */
    sessions?: Link
    /** What they allow apps. */
    consents?: Link
    /** Which apps hold tokens of theirs. */
    token_families?: Link
    /** Change some fields. */
    update?: Link
    /** Replace all fields. */
    replace?: Link
    /** Give a new password. */
    password?: Link
    /** Shut the account, by `{"disabled": true}`. Only while it is open. */
    disable?: Link
    /** Open the account again, by `{"disabled": false}`. Only while it is shut. */
    enable?: Link
    /** End all that they have open. */
    sign_out?: Link
    /** Remove the account. */
    delete?: Link
  }
}

/** An account was made. */
export type UserCreatedEvent = EventEnvelope & {
  type: 'user.created'
  data: {
    /** The roles that they have now. */
    roles: string[]
  }
}

/** An account was deleted, and the person erased from what is kept. */
export type UserDeletedEvent = EventEnvelope & {
  type: 'user.deleted'
  data: Record<string, never>
}

/** An account was shut: its sessions and tokens ended. */
export type UserDisabledEvent = EventEnvelope & {
  type: 'user.disabled'
  data: {
    /** How many browser sessions ended with it. */
    sessions_ended: number
    /** How many token families ended with it. */
    grants_revoked: number
  }
}

/** An account was opened again; nothing that had ended came back. */
export type UserEnabledEvent = EventEnvelope & {
  type: 'user.enabled'
  data: {
    /** How many browser sessions ended with it. */
    sessions_ended: number
    /** How many token families ended with it. */
    grants_revoked: number
  }
}

/** A person has a new password; what was open by the old one ended, but for the session in which it was changed. */
export type UserPasswordChangedEvent = EventEnvelope & {
  type: 'user.password_changed'
  data: {
    /** How many browser sessions ended with it. */
    sessions_ended: number
    /** How many token families ended with it. */
    grants_revoked: number
  }
}

/** A merge patch (RFC 7396): what is left out stays as it is, null clears. A list is replaced as a whole. */
export type UserPatch = {
  /** The name to sign in with. Stored in lower case; an e-mail address only if it is the `email` as well. */
  username?: string
  email?: string | null
  /** Whether you know that the address is theirs. A changed address is not, unless you say so. */
  email_verified?: boolean
  name?: string | null
  /** Roles, each once. APIs see them in tokens, if their resource wants so. `grantry-admin`, `grantry-viewer`, `grantry-user-admin` and `grantry-client-admin` give access to this API: only callers who have that access can give or take them. */
  roles?: string[]
  /** Shuts the account and ends all that is open, or opens it again. */
  disabled?: boolean
}

/** All that can be said about a user. What is left out is cleared, except `disabled`. */
export type UserReplacement = {
  /** The name to sign in with. Stored in lower case; an e-mail address only if it is the `email` as well. */
  username: string
  email?: string | null
  /** Whether you know that the address is theirs. A changed address is not, unless you say so. */
  email_verified?: boolean
  name?: string | null
  /** Roles, each once. APIs see them in tokens, if their resource wants so. `grantry-admin`, `grantry-viewer`, `grantry-user-admin` and `grantry-client-admin` give access to this API: only callers who have that access can give or take them. */
  roles?: string[]
  /** Shuts or opens the account. Left out, it stays as it is: nobody opens an account by forgetting a field. */
  disabled?: boolean
}

/** Everything that a person had open ended. */
export type UserSignedOutEvent = EventEnvelope & {
  type: 'user.signed_out'
  data: {
    /** How many browser sessions ended with it. */
    sessions_ended: number
    /** How many token families ended with it. */
    grants_revoked: number
  }
}

/** Something said of a user changed. */
export type UserUpdatedEvent = EventEnvelope & {
  type: 'user.updated'
  data: {
    /** The names of the fields that changed; not what they were or are. */
    fields: string[]
    /** The roles that they have now. */
    roles?: string[]
  }
}

/** Somebody who is told of events by HTTP. Deliveries are signed (Standard Webhooks). */
export type Webhook = {
  /** Names the webhook. */
  id: string
  /** Where to: https, at a public address; in development anything that can be reached. */
  url: string
  /** Which events: `user.created`, all of a kind (`user.*`), or `*` for all that its owner may see. */
  events: string[]
  /** What it is for. */
  description: string
  /** Also send `X-Webhook-Id`, `X-Webhook-Timestamp` and `X-Webhook-Signature`, and the type as `event`. */
  legacy_headers: boolean
  /** `paused` and `disabled` ones get nothing. Paused by its owner or after a delivery failed for three days; disabled when the receiver answered 410 or its owner lost the rights. */
  state: 'active' | 'paused' | 'disabled'
  /** Why it is not active. */
  state_reason: string | null
  /** By whose rights it sees events: the id of a user, client or API key. */
  owner: string
  previous_secret_until: string | null
  /** Attempts that failed since the last that did not. */
  failures: number
  failing_since: string | null
  last_delivered_at: string | null
  /** Counts the changes. The `ETag` of the answer stands for it; send that in `If-Match`. */
  version: number
  /** When it was made. */
  created_at: string
  /** When its settings were last changed. */
  updated_at: string
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** What was and is to be delivered. */
    deliveries?: Link
    /** Give it a new secret. */
    rotate_secret?: Link
    /** Have a test event delivered. */
    test?: Link
    /** Have events delivered again. */
    replay?: Link
    /** Replace its settings. */
    replace?: Link
    /** Change it. */
    update?: Link
    /** Pause it. */
    pause?: Link
    /** Make it active. */
    resume?: Link
    /** Delete it. */
    delete?: Link
  }
}

export type WebhookAttempt = {
  number: number
  /** When it was sent. */
  at: string
  /** How long it took. */
  milliseconds: number
  /** The status of the answer; null: there was none. */
  status: number | null
  /** Why there was no answer. */
  problem: string | null
  /** The first bytes of the answer. */
  answer: string | null
}

/** What is left out stays as it is. `events` is set as a whole. */
export type WebhookChange = {
  /** Where to: https, at a public address; in development anything that can be reached. */
  url?: string
  /** Which events: `user.created`, all of a kind (`user.*`), or `*` for all that its owner may see. */
  events?: string[]
  /** What it is for. */
  description?: string
  /** Also send `X-Webhook-Id`, `X-Webhook-Timestamp` and `X-Webhook-Signature`, and the type as `event`. */
  legacy_headers?: boolean
  /** `paused` keeps events until it is `active` again, for as long as events are kept. */
  state?: 'active' | 'paused'
}

/** A webhook was made. */
export type WebhookCreatedEvent = EventEnvelope & {
  type: 'webhook.created'
  data: {
    /** The patterns that it subscribes to. */
    events: string[]
  }
}

/** A webhook is gone, with its deliveries. */
export type WebhookDeletedEvent = EventEnvelope & {
  type: 'webhook.deleted'
  data: Record<string, never>
}

/** One event on its way to one webhook. */
export type WebhookDelivery = {
  /** Names the delivery. */
  id: string
  /** The `webhook-id` that the receiver sees. */
  event_id: string
  /** What happened. */
  event_type: string
  /** `failed`: it was tried for three days. */
  state: 'pending' | 'delivered' | 'failed'
  /** How often it was tried. */
  attempts: number
  next_attempt_at: string | null
  /** When it was put into the queue. */
  created_at: string
  finished_at: string | null
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** The webhook. */
    webhook?: Link
  }
}

export type WebhookDeliveryDetails = {
  /** Names the delivery. */
  id: string
  /** The `webhook-id` that the receiver sees. */
  event_id: string
  /** What happened. */
  event_type: string
  /** `failed`: it was tried for three days. */
  state: 'pending' | 'delivered' | 'failed'
  /** How often it was tried. */
  attempts: number
  next_attempt_at: string | null
  /** When it was put into the queue. */
  created_at: string
  finished_at: string | null
  /** What else there is, and what this caller may do with it now. A link that is missing would be refused. */
  links: {
    self: Link
    /** The webhook. */
    webhook?: Link
  }
  /** Every attempt, oldest first. */
  attempt_log: WebhookAttempt[]
}

/** The receiver is gone, or the owner of the webhook lost the rights. */
export type WebhookDisabledEvent = EventEnvelope & {
  type: 'webhook.disabled'
  data: {
    /** Why, in words. */
    reason: string
    /** By whose rights it saw events. */
    owner: string
  }
}

/** A delivery failed at every attempt: the webhook waits for its owner. */
export type WebhookPausedEvent = EventEnvelope & {
  type: 'webhook.paused'
  data: {
    /** Why, in words. */
    reason: string
    /** By whose rights it saw events. */
    owner: string
  }
}

/** What is left out takes its default. State and secret stay as they are. */
export type WebhookReplacement = NewWebhook

/** A webhook has a new secret. */
export type WebhookSecretRotatedEvent = EventEnvelope & {
  type: 'webhook.secret_rotated'
  data: {
    /** Until when deliveries are signed with the one before as well. */
    previous_secret_until: string | null
  }
}

export type WebhookSecretRotation = {
  /** For so long deliveries are signed with the old secret as well: a day unless given; 0 ends it now. */
  overlap_seconds?: number
}

/** Nothing happened: somebody asked for a test. It is delivered to one webhook only and is in no feed. */
export type WebhookTestEvent = EventEnvelope & {
  type: 'webhook.test'
  data: Record<string, never>
}

/** The settings or the state of a webhook changed. */
export type WebhookUpdatedEvent = EventEnvelope & {
  type: 'webhook.updated'
  data: {
    /** The names of the fields that changed; not what they were or are. */
    fields: string[]
  }
}
