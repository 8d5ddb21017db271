import { InvalidArgumentError, Option, type Command } from 'commander'
import type { Position } from '../lib/keyset.ts'
import { createResource } from '../registry/resources/create.ts'
import { deleteResource } from '../registry/resources/delete.ts'
import { presentResource } from '../registry/resources/present.ts'
import { findResource, listResources } from '../registry/resources/queries.ts'
import {
  resourceSigningAlgs,
  tokenClaims,
  tokenFormats,
  type GivenResourceSettings,
  type Resource,
  type ResourceScope,
  type ResourceSigningAlg,
  type TokenClaim,
  type TokenFormat,
} from '../registry/resources/resource.ts'
import { updateResource } from '../registry/resources/update.ts'
import { record, table } from './answer.ts'
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
  scope?: GivenList
  scopeDe?: GivenList
  tokenFormat?: TokenFormat
  signingAlg?: ResourceSigningAlg
  accessTokenTtl?: number | 'default'
  tokenClaim?: GivenList
  introspectionClient?: GivenList
  selfRegisteredScope?: GivenList
}

const PAGE = 500

export function resourceCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('resource').description('APIs that tokens are made for')

  withSettings(verb(noun, 'create', 'register an API'))
    .requiredOption('--audience <uri>', 'its identifier, as in https://api.example.com')
    .requiredOption('--name <name>', 'what people call it')
    .action(
      answering(terminal, async ({ db }, options: SettingOptions & { audience: string; name: string }) => {
        const { audience, name } = options
        const resource = await createResource(db.knex, { ...settingsOf(options), audience, name, actor: ACTOR })
        return record(presentResource(resource))
      }),
    )

  verb(noun, 'list', 'all APIs, by audience').action(
    answering(terminal, async ({ db }) => {
      const resources: Resource[] = []
      const sorting = { by: 'audience', descending: false }
      let after: Position | undefined
      do {
        const page = await listResources(db.knex, { limit: PAGE, sorting, after })
        resources.push(...page.resources)
        after = page.next
      } while (after)
      const columns = [
        { title: 'ID', of: ({ id }: Resource) => id },
        { title: 'AUDIENCE', of: ({ audience }: Resource) => audience },
        { title: 'TOKENS', of: ({ tokenFormat, signingAlg }: Resource) => `${tokenFormat} ${signingAlg}` },
        { title: 'SCOPES', of: ({ scopes }: Resource) => scopes.map(({ name }) => name) },
        { title: 'NAME', of: ({ name }: Resource) => name },
      ]
      return table(resources, columns, resources.map(presentResource))
    }),
  )

  verb(noun, 'show <resource>', 'one API, by its id or audience').action(
    answering(terminal, async ({ db }, _options: CommonOptions, name = '') => {
      const resource = await findResource(db.knex, name)
      if (!resource) throw new UsageError(`there is no resource ${JSON.stringify(name)}`)
      return record(presentResource(resource))
    }),
  )

  withSettings(
    verb(noun, 'update <resource>', 'change what is given and leave the rest; lists are replaced as a whole'),
  )
    .option('--name <name>', 'what people call it')
    .option('--no-scope', 'take all scopes away')
    .option('--no-token-claim', 'tokens carry no more than RFC 9068 asks for')
    .option('--no-introspection-client', 'only the client of a token may introspect it')
    .option('--no-self-registered-scope', 'clients that registered themselves get no tokens for it')
    .action(
      answering(terminal, async ({ db }, options: SettingOptions, name = '') => {
        requireSome(options)
        return record(presentResource(await updateResource(db.knex, name, settingsOf(options), { actor: ACTOR })))
      }),
    )

  verb(noun, 'delete <resource>', 'remove it with its scopes and the consents given for it').action(
    answering(terminal, async ({ db }, _options: CommonOptions, name = '') => {
      const resource = await findResource(db.knex, name)
      await deleteResource(db.knex, name, { actor: ACTOR })
      return record({ id: resource?.id, audience: resource?.audience, deleted: true })
    }),
  )
}

function withSettings(command: Command): Command {
  return command
    .option(
      '--scope <scope>',
      '"orders:read=Read your orders": a scope and what people read of it (repeatable)',
      repeated,
    )
    .option('--scope-de <scope>', '"orders:read=Ihre Bestellungen lesen": the same in German (repeatable)', repeated)
    .addOption(new Option('--token-format <format>', 'how its access tokens look').choices(tokenFormats))
    .addOption(new Option('--signing-alg <alg>', 'how they are signed').choices(resourceSigningAlgs))
    .option('--access-token-ttl <seconds>', 'how long they live, or "default"', ttl)
    .option('--token-claim <claim>', `${tokenClaims.join(', ')}: what they carry (repeatable)`, repeated)
    .option('--introspection-client <client>', 'a client that may introspect its tokens (repeatable)', repeated)
    .option('--self-registered-scope <scope>', 'one for any client that registered itself (repeatable)', repeated)
}

function settingsOf(options: SettingOptions): GivenResourceSettings {
  return {
    name: options.name,
    tokenFormat: options.tokenFormat,
    signingAlg: options.signingAlg,
    accessTokenTtl: options.accessTokenTtl === 'default' ? null : options.accessTokenTtl,
    tokenClaims: listOf<TokenClaim>(options.tokenClaim),
    introspectionClients: listOf(options.introspectionClient),
    selfRegisteredScopes: listOf(options.selfRegisteredScope),
    scopes: scopesOf(options),
  }
}

function scopesOf({ scope, scopeDe }: SettingOptions): ResourceScope[] | undefined {
  const german = new Map((listOf(scopeDe) ?? []).map(pairOf))
  const scopes = listOf(scope)?.map((text) => {
    const [name, description] = pairOf(text)
    return { name, description, descriptionDe: german.get(name) ?? null }
  })
  const stray = [...german.keys()].find((name) => !scopes?.some((each) => each.name === name))
  if (stray !== undefined) throw new UsageError(`--scope-de ${stray} needs --scope ${stray} beside it`)
  return scopes
}

/** A scope's name may hold an equals sign nowhere but in theory; its description often does. */
function pairOf(text: string): [name: string, description: string] {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) {
    throw new UsageError(`${JSON.stringify(text)} is not of the form "orders:read=Read your orders"`)
  }
  return [text.slice(0, at), text.slice(at + 1)]
}

function ttl(value: string): number | 'default' {
  if (value === 'default') return value
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number of seconds, or "default".')
  return wholeNumber(value)
}
