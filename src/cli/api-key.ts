import type { Command } from 'commander'
import type { Position } from '../lib/keyset.ts'
import type { ApiKey } from '../registry/api-keys/api-key.ts'
import { createApiKey } from '../registry/api-keys/create.ts'
import { presentApiKey } from '../registry/api-keys/present.ts'
import { listApiKeys } from '../registry/api-keys/queries.ts'
import { revokeApiKey } from '../registry/api-keys/revoke.ts'
import { DEFAULT_KEY_OVERLAP, rotateApiKey } from '../registry/api-keys/rotate.ts'
import { managementScopes } from '../registry/management-scopes.ts'
import { record, table } from './answer.ts'
import { ACTOR, answering, pointInTime, repeated, verb, wholeNumber, type CommonOptions } from './command.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface CreateOptions extends CommonOptions {
  name: string
  scope?: string[]
  allScopes?: true
  expiresAt?: Date
}

const PAGE = 500
const STORE_IT = 'Store the value now: it is not shown again.'

export function apiKeyCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('api-key').description('keys to the management API')

  verb(noun, 'create', 'make a key; its value is shown once')
    .requiredOption('--name <name>', 'what it is for')
    .option('--scope <scope>', `what it may do (repeatable): ${managementScopes.join(', ')}`, repeated)
    .option('--all-scopes', 'it may do everything')
    .option('--expires-at <time>', 'when it ends, as in 2030-01-31T12:00:00Z', pointInTime)
    .action(
      answering(terminal, async ({ db }, { name, scope, allScopes, expiresAt }: CreateOptions) => {
        if (allScopes && scope) throw new UsageError('give --scope or --all-scopes, not both')
        const scopes = allScopes ? managementScopes : (scope ?? [])
        const { apiKey, value } = await createApiKey(db.knex, { name, scopes, expiresAt, actor: ACTOR })
        return record(presentApiKey(apiKey, value), STORE_IT)
      }),
    )

  verb(noun, 'list', 'all keys, oldest first').action(
    answering(terminal, async ({ db }) => {
      const apiKeys: ApiKey[] = []
      const sorting = { by: 'created_at', descending: false }
      let after: Position | undefined
      do {
        const page = await listApiKeys(db.knex, { limit: PAGE, sorting, after })
        apiKeys.push(...page.apiKeys)
        after = page.next
      } while (after)
      const columns = [
        { title: 'ID', of: ({ id }: ApiKey) => id },
        { title: 'ENDS IN', of: ({ hint }: ApiKey) => `…${hint}` },
        { title: 'STATE', of: stateOf },
        { title: 'NAME', of: ({ name }: ApiKey) => name },
        { title: 'SCOPES', of: ({ scopes }: ApiKey) => scopes },
      ]
      return table(
        apiKeys,
        columns,
        apiKeys.map((apiKey) => presentApiKey(apiKey)),
      )
    }),
  )

  verb(noun, 'rotate <api-key>', 'make a new value; the one in use works on for a while')
    .option(
      '--overlap <seconds>',
      'how long it does; 0 ends it at once, as after a leak',
      wholeNumber,
      DEFAULT_KEY_OVERLAP,
    )
    .action(
      answering(terminal, async ({ db }, { overlap }: CommonOptions & { overlap: number }, id = '') => {
        const rotation = { apiKeyId: id, overlapSeconds: overlap, actor: ACTOR }
        const { apiKey, value } = await rotateApiKey(db.knex, rotation)
        return record(presentApiKey(apiKey, value), STORE_IT)
      }),
    )

  verb(noun, 'revoke <api-key>', 'end a key, by its id').action(
    answering(terminal, async ({ db }, _options: CommonOptions, id = '') =>
      record(presentApiKey(await revokeApiKey(db.knex, { apiKeyId: id, actor: ACTOR }))),
    ),
  )
}

function stateOf({ revokedAt, expiresAt }: ApiKey): string {
  if (revokedAt) return 'revoked'
  return expiresAt && expiresAt.getTime() <= Date.now() ? 'expired' : 'active'
}
