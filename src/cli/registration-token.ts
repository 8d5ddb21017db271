import { InvalidArgumentError, type Command } from 'commander'
import { createRegistrationToken } from '../registry/registration-tokens/create.ts'
import { presentRegistrationToken } from '../registry/registration-tokens/present.ts'
import { listRegistrationTokens } from '../registry/registration-tokens/queries.ts'
import type { RegistrationToken } from '../registry/registration-tokens/registration-token.ts'
import { revokeRegistrationToken } from '../registry/registration-tokens/revoke.ts'
import { record, table } from './answer.ts'
import { ACTOR, answering, verb, wholeNumber, type CommonOptions } from './command.ts'
import type { Terminal } from './terminal.ts'

interface CreateOptions extends CommonOptions {
  name: string
  uses: number | 'any'
  expiresIn?: number
}

const STORE_IT = 'Store the value now: it is not shown again.'

export function registrationTokenCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('registration-token').description('tokens with which apps register themselves')

  verb(noun, 'create', 'make a token (RFC 7591 §3); its value is shown once')
    .requiredOption('--name <name>', 'whom or what it is for')
    .option('--uses <number>', 'how many apps may register with it, or "any"', uses, 1)
    .option('--expires-in <seconds>', 'how long it lives; a week unless given', wholeNumber)
    .action(
      answering(terminal, async ({ db }, { name, uses: most, expiresIn }: CreateOptions) => {
        const mostUses = most === 'any' ? null : most
        const input = { name, mostUses, lifetimeSeconds: expiresIn, actor: ACTOR }
        const { token, value } = await createRegistrationToken(db.knex, input)
        return record(presentRegistrationToken(token, value), STORE_IT)
      }),
    )

  verb(noun, 'list', 'all tokens, oldest first').action(
    answering(terminal, async ({ db }) => {
      const tokens = await listRegistrationTokens(db.knex)
      const columns = [
        { title: 'ID', of: ({ id }: RegistrationToken) => id },
        { title: 'ENDS IN', of: ({ hint }: RegistrationToken) => `…${hint}` },
        { title: 'STATE', of: stateOf },
        { title: 'USES', of: ({ uses: used, mostUses }: RegistrationToken) => `${used} of ${mostUses ?? 'any'}` },
        { title: 'NAME', of: ({ name }: RegistrationToken) => name },
      ]
      return table(
        tokens,
        columns,
        tokens.map((token) => presentRegistrationToken(token)),
      )
    }),
  )

  verb(noun, 'revoke <registration-token>', 'end a token, by its id; clients that it registered stay').action(
    answering(terminal, async ({ db }, _options: CommonOptions, id = '') =>
      record(presentRegistrationToken(await revokeRegistrationToken(db.knex, { id, actor: ACTOR }))),
    ),
  )
}

function uses(value: string): number | 'any' {
  if (value === 'any') return value
  if (!/^[1-9]\d{0,6}$/.test(value)) throw new InvalidArgumentError('It must be a whole number from 1, or "any".')
  return Number(value)
}

function stateOf({ revokedAt, expiresAt, uses: used, mostUses }: RegistrationToken): string {
  if (revokedAt) return 'revoked'
  if (expiresAt.getTime() <= Date.now()) return 'expired'
  return mostUses !== null && used >= mostUses ? 'used up' : 'active'
}
