/**
 * The management API as a program sees it: a method for every operation, with the types of the API's own document. Calls
 * are repeated where that is safe, within a deadline; what goes wrong is one of five errors. Published as `grantry/client`;
 * it stands on the platform alone and knows nothing of the server but its URL.
 *
 * ```ts
 * const client = createGrantryClient({ issuer: 'https://login.example.com', credentials: { apiKey } })
 * for await (const user of client.listUsers({ role: 'admin' })) console.log(user.username)
 * const { body, etag } = await client.readUser('usr_…')
 * await client.updateUser(body.id, { name: 'Bob Example' }, { ifMatch: etag })
 * ```
 */
export { createGrantryClient, type GrantryClient, type GrantryClientOptions } from './client.ts'
export type { Clock } from './clock.ts'
export type { ApiKeyCredentials, ClientCredentials, Credentials, TokenCredentials } from './credentials.ts'
export {
  CredentialsError,
  DeadlineError,
  GrantryError,
  HistoryGoneError,
  NetworkError,
  ProblemError,
  UnexpectedAnswerError,
  type ProblemEntry,
} from './errors.ts'
export type { GrantryEvent } from './event.ts'
export type { Followed, FollowOptions } from './follow.ts'
export type {
  Answer,
  CallOptions,
  ChangeOptions,
  CreateOptions,
  List,
  Page,
  Pagination,
  Query,
  QueryValue,
  ReadOptions,
} from './operation.ts'
export type * from './operations.ts'
export type { PlainRequest } from './request.ts'
export {
  verifyWebhook,
  WebhookVerificationError,
  type WebhookDelivery,
  type WebhookErrorCode,
  type WebhookHeaders,
  type WebhookMessage,
} from './webhook.ts'
