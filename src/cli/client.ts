import { readFileSync } from 'node:fs'
import { Option, type Command } from 'commander'
import type { Position } from '../lib/keyset.ts'
import {
  clientKinds,
  clientProfiles,
  DEVICE_GRANT,
  EXCHANGE_GRANT,
  grantTypes,
  type Client,
  type ClientDetails,
  type ClientKind,
  type ClientProfile,
  type GrantType,
  type OpenidScope,
  type TokenEndpointAuthMethod,
} from '../registry/clients/client.ts'
import type { ClientKeys } from '../registry/clients/client-keys.ts'
import type { AccessRequest } from '../registry/clients/access.ts'
import { createClient } from '../registry/clients/create.ts'
import { deleteClient } from '../registry/clients/delete.ts'
import { disableClient, enableClient } from '../registry/clients/disable.ts'
import { presentClient } from '../registry/clients/present.ts'
import { findClient, listClients } from '../registry/clients/queries.ts'
import { rotateSecret } from '../registry/clients/rotate-secret.ts'
import { updateClient, type ClientChange } from '../registry/clients/update.ts'
import { record, table, type Answer } from './answer.ts'
import {
  ACTOR,
  answering,
  listOf,
  repeated,
  requireSome,
  verb,
  wholeNumber,
  type CommonOptions,
  type GivenList,
} from './command.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface SettingOptions extends CommonOptions {
  name?: string
  redirectUri?: GivenList
  postLogoutRedirectUri?: GivenList
  backchannelLogoutUri?: string | false
  backchannelLogoutSessionRequired?: boolean
  origin?: GivenList
  openidScope?: GivenList
  allow?: GivenList
  grant?: GivenList
  authMethod?: string
  firstParty?: boolean
  profile?: ClientProfile
  dpopBound?: boolean
  requirePar?: boolean
  jwks?: string
  exchangeFrom?: GivenList
}

const PAGE = 500
const DAY = 86_400
const SHORT = { device_code: DEVICE_GRANT, 'token-exchange': EXCHANGE_GRANT } as const
const STORE_IT = 'Store the client_secret now: it is not shown again.'

export function clientCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('client').description('apps and machines that may ask for tokens')

  withSettings(verb(noun, 'create', 'register a client; a secret is shown once'))
    .addOption(new Option('--kind <kind>', 'what it is').choices(clientKinds).makeOptionMandatory())
    .requiredOption('--name <name>', 'what people read on the consent page')
    .action(
      answering(terminal, async ({ db, config }, options: SettingOptions & { kind: ClientKind; name: string }) => {
        const { allowPrivate } = config.webhooks
        const settings = { ...settingsOf(options), name: options.name, allowPrivate }
        const { client, secret } = await createClient(db.knex, { kind: options.kind, ...settings, actor: ACTOR })
        return secret === undefined ? record(presentClient(client)) : withSecret(client, secret)
      }),
    )

  verb(noun, 'list', 'all clients, oldest first').action(
    answering(terminal, async ({ db }) => {
      const clients: Client[] = []
      const sorting = { by: 'created_at', descending: false }
      let after: Position | undefined
      do {
        const page = await listClients(db.knex, { limit: PAGE, sorting, after })
        clients.push(...page.clients)
        after = page.next
      } while (after)
      const columns = [
        { title: 'ID', of: ({ id }: Client) => id },
        { title: 'KIND', of: ({ kind }: Client) => kind },
        { title: 'STATE', of: stateOf },
        { title: 'NAME', of: ({ name }: Client) => name },
      ]
      return table(clients, columns, clients.map(presentClient))
    }),
  )

  verb(noun, 'show <client>', 'one client, by its id').action(
    answering(terminal, async ({ db }, _options: CommonOptions, id = '') => {
      const client = await findClient(db.knex, id)
      if (!client) throw new UsageError(`there is no client ${JSON.stringify(id)}`)
      return record(presentClient(client))
    }),
  )

  withSettings(verb(noun, 'update <client>', 'change what is given and leave the rest; lists are replaced as a whole'))
    .option('--name <name>', 'what people read on the consent page')
    .option('--no-post-logout-redirect-uri', 'take them all away')
    .option('--no-backchannel-logout-uri', 'it is told of no logout any more')
    .option('--no-backchannel-logout-session-required', 'a logout token may leave the session out')
    .option('--no-origin', 'take them all away')
    .option('--no-openid-scope', 'take them all away')
    .option('--no-allow', 'take all access away')
    .option('--no-first-party', 'it asks for consent like any other')
    .option('--no-dpop-bound', 'it gets tokens without a proof, too')
    .option('--no-exchange-from', 'take them all away')
    .option('--no-require-par', 'it may make authorization requests by address')
    .action(
      answering(terminal, async ({ db, config }, options: SettingOptions, id = '') => {
        requireSome(options)
        const { allowPrivate } = config.webhooks
        const client = await updateClient(db.knex, id, settingsOf(options), { actor: ACTOR, allowPrivate })
        return record(presentClient(client))
      }),
    )

  verb(noun, 'rotate-secret <client>', 'make a new secret; the one in use works on for a while')
    .option('--overlap <seconds>', 'how long it does; 0 ends it at once, as after a leak', wholeNumber, DAY)
    .action(
      answering(terminal, async ({ db }, { overlap }: CommonOptions & { overlap: number }, id = '') => {
        const rotation = { clientId: id, overlapSeconds: overlap, actor: ACTOR }
        const { client, secret } = await rotateSecret(db.knex, rotation)
        return withSecret(client, secret)
      }),
    )

  verb(noun, 'disable <client>', 'shut it out and end its tokens').action(
    answering(terminal, async ({ db }, _options: CommonOptions, id = '') =>
      record(presentClient(await disableClient(db.knex, id, { actor: ACTOR }))),
    ),
  )

  verb(noun, 'enable <client>', 'let it in again; ended tokens stay ended').action(
    answering(terminal, async ({ db }, _options: CommonOptions, id = '') =>
      record(presentClient(await enableClient(db.knex, id, { actor: ACTOR }))),
    ),
  )

  verb(noun, 'delete <client>', 'remove it with its secrets, consents and tokens').action(
    answering(terminal, async ({ db }, _options: CommonOptions, id = '') => {
      await deleteClient(db.knex, id, { actor: ACTOR })
      return record({ id, deleted: true })
    }),
  )
}

function withSettings(command: Command): Command {
  return command
    .option('--redirect-uri <uri>', 'where a browser may be sent with a code (repeatable)', repeated)
    .option('--post-logout-redirect-uri <uri>', 'where it may be sent after logout (repeatable)', repeated)
    .option('--backchannel-logout-uri <uri>', 'where it is told of sessions that have ended')
    .option('--backchannel-logout-session-required', 'what it is told must name the session')
    .option('--origin <origin>', 'browser origin whose scripts may ask for tokens (repeatable)', repeated)
    .option('--allow <access>', '"<audience> <scope> <scope>": what it may ask of an API (repeatable)', repeated)
    .option('--openid-scope <scope>', 'openid, profile, email or offline_access (repeatable)', repeated)
    .option(
      '--grant <type>',
      `${grantTypes.join(', ')} (repeatable), "device_code" and "token-exchange" for short`,
      repeated,
    )
    .option('--auth-method <method>', 'client_secret_basic, client_secret_post or private_key_jwt')
    .option('--jwks <file>', 'its public keys, a JWK Set, for private_key_jwt')
    .option('--exchange-from <audience>', 'whose tokens it may exchange for others, RFC 8693 (repeatable)', repeated)
    .option('--first-party', 'it is your own and may skip consent')
    .addOption(new Option('--profile <profile>', 'rules that it keeps to beyond those for all').choices(clientProfiles))
    .option('--dpop-bound', 'it gets no token without a DPoP proof of its key')
    .option('--require-par', 'it must push its authorization requests')
}

function settingsOf(options: SettingOptions): ClientChange {
  return {
    name: options.name,
    redirectUris: listOf(options.redirectUri),
    postLogoutRedirectUris: listOf(options.postLogoutRedirectUri),
    backchannelLogoutUri: options.backchannelLogoutUri === false ? null : options.backchannelLogoutUri,
    backchannelLogoutSessionRequired: options.backchannelLogoutSessionRequired,
    allowedOrigins: listOf(options.origin),
    openidScopes: listOf<OpenidScope>(options.openidScope),
    grantTypes: listOf<GrantType | keyof typeof SHORT>(options.grant)?.map((type) =>
      isShort(type) ? SHORT[type] : type,
    ),
    // The registry says what a kind may have.
    tokenEndpointAuthMethod: options.authMethod as TokenEndpointAuthMethod | undefined,
    firstParty: options.firstParty,
    profile: options.profile,
    dpopBoundAccessTokens: options.dpopBound,
    requirePar: options.requirePar,
    jwks: options.jwks === undefined ? undefined : keysFrom(options.jwks),
    exchangeFrom: listOf(options.exchangeFrom),
    access: listOf(options.allow)?.map(accessOf),
  }
}

function isShort(type: string): type is keyof typeof SHORT {
  return Object.hasOwn(SHORT, type)
}

function keysFrom(file: string): ClientKeys {
  try {
    // The registry holds it against its rules.
    return JSON.parse(readFileSync(file, 'utf8')) as ClientKeys
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'can not be read'
    throw new UsageError(`--jwks: the file ${JSON.stringify(file)} ${why}`)
  }
}

function accessOf(text: string): AccessRequest {
  const [resource, ...scopes] = text.split(/\s+/).filter((part) => part !== '')
  if (resource === undefined || scopes.length === 0) {
    throw new UsageError(`--allow takes an audience and its scopes, as in "https://api.example.com orders:read"`)
  }
  return { resource, scopes }
}

/** The two values that go into the app's settings stand last, under the names that OAuth gives them. */
function withSecret(client: ClientDetails, secret: string): Answer {
  return record({ ...presentClient(client), client_id: client.id, client_secret: secret }, STORE_IT)
}

function stateOf({ builtIn, disabledAt, firstParty }: Client): string {
  if (disabledAt) return 'disabled'
  if (builtIn) return 'built-in'
  return firstParty ? 'first-party' : 'active'
}
