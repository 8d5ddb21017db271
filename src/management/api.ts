/**
 * `management` is the management API: the registry, the signing keys and the audit log as REST, one declaration for each
 * operation, a folder for each noun. It owns what callers may do and how things look from outside; what is done is done by
 * the verbs of registry, keys and events. It must not know the protocol library, the pages or the configuration: who calls
 * is handed in.
 */
import type { Middleware } from 'koa'
import type { Database } from '../database/connect.ts'
import { createApi, type ApiOptions, type ApiVersion } from '../http/api/api.ts'
import { apiDocuments, type DocumentsOptions } from '../http/api/documents.ts'
import type { Operation } from '../http/api/operation.ts'
import { derive } from '../lib/master-key.ts'
import { managementScopes, managementScopeWords } from '../registry/management-scopes.ts'
import { apiKeyOperations } from './api-keys/operations.ts'
import { auditEventOperations } from './audit-events.ts'
import { challengeOf } from './challenge.ts'
import { clientOperations } from './clients/operations.ts'
import { clientSecretOperations } from './clients/secrets.ts'
import { eventOperations, type EventDependencies } from './events/operations.ts'
import { webhookComponents, webhookDocuments } from './events/webhook-documents.ts'
import { keyOperations, type KeyOperationsDependencies } from './keys/operations.ts'
import { managementProblems, problemOfRegistry, problemTypeBase } from './problems.ts'
import { resourceOperations } from './resources/operations.ts'
import { userOperations, type UserDependencies } from './users/users.ts'
import { deliveryOperations } from './webhooks/deliveries.ts'
import { webhookOperations, type WebhookOperationsDependencies } from './webhooks/operations.ts'

export interface ManagementDependencies
  extends KeyOperationsDependencies, UserDependencies, EventDependencies, WebhookOperationsDependencies {
  db: Database
  /** The origin of the server: everything stands under `<issuer>/api`. */
  issuer: string
  log: ApiOptions['log']
  idempotency: NonNullable<ApiOptions['idempotency']>
  /** Left out: nobody is limited. */
  limit?: ApiOptions['limit']
  /** How people sign in on the reference page; left out: it takes API keys only. */
  signIn?: DocumentsOptions['signIn']
  /** For tests: every answer is held against what its operation declares. */
  checkAnswers?: boolean
}

export const MANAGEMENT_BASE = '/api'

const TITLE = 'Grantry management API'
const VENDOR = 'grantry'
const VERSION = 1

const TAGS = {
  Users: 'People, and what they have open: sessions, consents, token families.',
  Clients: 'Apps and machines that may ask for tokens, and their secrets.',
  Resources: 'The APIs that tokens are made for, with their scopes.',
  'API keys': 'Keys to this API, for machines and operators.',
  'Signing keys': 'What tokens are signed with. They turn over on their own.',
  Webhooks: 'URLs that are told of events, and what came of it.',
  Events: 'Everything that happens here, in one order, to be read or followed.',
  'Audit events': 'Who changed what, and from where. It can only be read.',
}

const DESCRIPTION = `Everything that an operator decides about a Grantry server.

Call it with an API key (\`Authorization: Bearer grk_…\` or \`X-API-Key\`), or with an access token that Grantry issued for
this API. Neither can give away more than it has.

Changes of a thing need \`If-Match\` with the \`ETag\` that was read, so that nobody's change is lost. A POST that makes
something takes \`Idempotency-Key\` and may be sent again; a secret is told once, and not by the repetition. Lists come in
pages, by \`cursor\` or by \`page\`. What is refused is a problem (RFC 9457), and its \`type\` leads to an explanation.`

/** Every operation, in the order of the document. Examples build on one another: clients use the resource above them. */
export function managementOperations(dependencies: ManagementDependencies): readonly Operation[] {
  return [
    ...userOperations(dependencies),
    ...resourceOperations,
    ...clientOperations(dependencies),
    ...clientSecretOperations,
    ...apiKeyOperations,
    ...keyOperations(dependencies),
    ...webhookOperations(dependencies),
    ...deliveryOperations(dependencies),
    ...eventOperations(dependencies),
    ...auditEventOperations(),
  ]
}

/**
 * The API with its documents: everything below `/api`, and the page of the problems. Other paths pass. Stands where address
 * and host of a request are known to be true.
 */
export function createManagementApi(dependencies: ManagementDependencies): Middleware {
  const { issuer, db, log, masterKeys, authenticate, idempotency, limit, signIn, checkAnswers } = dependencies
  const versions: readonly ApiVersion[] = [{ number: VERSION, operations: managementOperations(dependencies) }]
  const challenge = challengeOf(issuer)
  const common = {
    title: TITLE,
    base: MANAGEMENT_BASE,
    origin: issuer,
    vendor: VENDOR,
    versions,
    defaultVersion: VERSION,
    catalogue: managementProblems,
    typeBase: problemTypeBase(issuer),
  }
  const api = createApi({
    ...common,
    db,
    log,
    cursorSecrets: derive(masterKeys, 'cursors'),
    authenticate,
    challenge: (scope, error) => challenge({ ...(scope !== undefined && { scope }), ...(error && { error }) }),
    problemOf: problemOfRegistry,
    idempotency,
    ...(limit && { limit }),
    ...(checkAnswers !== undefined && { checkAnswers }),
  })
  const documents = apiDocuments({
    ...common,
    version: `${VERSION}.0.0`,
    description: DESCRIPTION,
    tags: TAGS,
    security: {
      apiKeys: true,
      oauth: {
        authorizationEndpoint: `${issuer}/authorize`,
        tokenEndpoint: `${issuer}/token`,
        scopes: Object.fromEntries(managementScopes.map((scope) => [scope, managementScopeWords[scope].en])),
      },
    },
    webhooks: webhookDocuments(),
    components: webhookComponents,
    ...(signIn && { signIn }),
  })
  return (ctx, next) => documents(ctx, async () => void (await api(ctx, next)))
}
