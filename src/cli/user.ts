import { randomInt } from 'node:crypto'
import type { Command } from 'commander'
import type { Knex } from 'knex'
import { isId } from '../lib/ids.ts'
import type { Position } from '../lib/keyset.ts'
import { createUser } from '../registry/users/create.ts'
import { deleteUser } from '../registry/users/delete.ts'
import { disableUser, enableUser } from '../registry/users/disable.ts'
import { listUsers } from '../registry/users/list.ts'
import { createPasswordHasher } from '../registry/users/password.ts'
import { presentUser } from '../registry/users/present.ts'
import { findUser, findUserByLogin } from '../registry/users/queries.ts'
import { signOutEveryone, signOutUser, type SignedOut } from '../registry/users/sign-out.ts'
import { setPassword } from '../registry/users/set-password.ts'
import { updateUser } from '../registry/users/update.ts'
import type { User } from '../registry/users/user.ts'
import { record, table, type Answer } from './answer.ts'
import { ACTOR, answering, listOf, repeated, requireSome, verb, type CommonOptions, type GivenList } from './command.ts'
import { readLine, UsageError, type Terminal } from './terminal.ts'

interface PasswordOptions extends CommonOptions {
  password?: string
  passwordStdin?: true
}

interface UserOptions extends CommonOptions {
  username?: string
  email?: string | false
  emailVerified?: boolean
  name?: string | false
  role?: GivenList
}

const PAGE = 500
const VISIBLE = 'others can see a password on the command line, and the shell keeps it: prefer --password-stdin'
const STORE_IT = 'Hand the password over now: it is not shown again.'

export function userCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('user').description('people who sign in')

  withPassword(withFields(verb(noun, 'create', 'make an account; a generated password is shown once')))
    .requiredOption('--username <username>', 'the name to sign in with')
    .action(
      answering(terminal, async ({ db }, options: UserOptions & PasswordOptions & { username: string }) => {
        const { password, source } = await choosePassword(options, terminal)
        const account = { ...fieldsOf(options), username: options.username, password, actor: ACTOR }
        const user = await createUser(db.knex, { hasher: createPasswordHasher() }, account)
        return withPasswordOf(source, user, password, terminal)
      }),
    )

  verb(noun, 'list', 'all users, oldest first').action(
    answering(terminal, async ({ db }) => {
      const users: User[] = []
      let after: Position | undefined
      do {
        const page = await listUsers(db.knex, { limit: PAGE, after })
        users.push(...page.users)
        after = page.next
      } while (after)
      const columns = [
        { title: 'ID', of: ({ id }: User) => id },
        { title: 'USERNAME', of: ({ username }: User) => username },
        { title: 'EMAIL', of: ({ email }: User) => email },
        { title: 'STATE', of: ({ disabledAt }: User) => (disabledAt ? 'disabled' : 'active') },
        { title: 'ROLES', of: ({ roles }: User) => roles },
      ]
      return table(users, columns, users.map(presentUser))
    }),
  )

  verb(noun, 'show <user>', 'one user, by id, username or e-mail address').action(
    answering(terminal, async ({ db }, _options: CommonOptions, name = '') =>
      record(presentUser(await requireUser(db.knex, name))),
    ),
  )

  withFields(verb(noun, 'update <user>', 'change what is given and leave the rest; roles are replaced as a whole'))
    .option('--username <username>', 'the name to sign in with')
    .option('--no-email', 'take the e-mail address away')
    .option('--no-email-verified', 'the address is not known to be theirs')
    .option('--no-name', 'take the name away')
    .option('--no-role', 'take all roles away')
    .action(
      answering(terminal, async ({ db }, options: UserOptions, name = '') => {
        requireSome(options)
        const { id: userId } = await requireUser(db.knex, name)
        const changes = { ...fieldsOf(options), username: options.username }
        return record(presentUser(await updateUser(db.knex, { userId, changes, actor: ACTOR })))
      }),
    )

  withPassword(verb(noun, 'set-password <user>', 'give a new password; sessions and tokens of the old one end')).action(
    answering(terminal, async ({ db }, options: PasswordOptions, name = '') => {
      const { id: userId } = await requireUser(db.knex, name)
      const { password, source } = await choosePassword(options, terminal)
      const user = await setPassword(db.knex, { hasher: createPasswordHasher() }, { userId, password, actor: ACTOR })
      return withPasswordOf(source, user, password, terminal)
    }),
  )

  verb(noun, 'disable <user>', 'shut the account and end its sessions and tokens').action(
    answering(terminal, async ({ db }, _options: CommonOptions, name = '') => {
      const { id: userId } = await requireUser(db.knex, name)
      return record(presentUser(await disableUser(db.knex, { userId, actor: ACTOR })))
    }),
  )

  verb(noun, 'enable <user>', 'open the account again; what ended stays ended').action(
    answering(terminal, async ({ db }, _options: CommonOptions, name = '') => {
      const { id: userId } = await requireUser(db.knex, name)
      return record(presentUser(await enableUser(db.knex, { userId, actor: ACTOR })))
    }),
  )

  verb(noun, 'sign-out [user]', 'end sessions and tokens of one user, or of everyone; the accounts stay open')
    .option('--everyone', 'of all users')
    .action(
      answering(terminal, async ({ db }, { everyone }: CommonOptions & { everyone?: true }, name?: string) => {
        if ((name === undefined) === !everyone) throw new UsageError('name a user, or give --everyone')
        if (name === undefined) return record(presentSignedOut(await signOutEveryone(db.knex, { actor: ACTOR })))
        const { id: userId } = await requireUser(db.knex, name)
        return record({ id: userId, ...presentSignedOut(await signOutUser(db.knex, { userId, actor: ACTOR })) })
      }),
    )

  verb(noun, 'delete <user>', 'remove the account with its sessions, consents and tokens').action(
    answering(terminal, async ({ db }, _options: CommonOptions, name = '') => {
      const { id, username } = await requireUser(db.knex, name)
      await deleteUser(db.knex, { userId: id, actor: ACTOR })
      return record({ id, username, deleted: true })
    }),
  )
}

function withFields(command: Command): Command {
  return command
    .option('--email <address>', 'e-mail address, which signs in too')
    .option('--email-verified', 'you know that the address is theirs')
    .option('--name <name>', 'what they are called')
    .option('--role <role>', 'a role (repeatable)', repeated)
}

function withPassword(command: Command): Command {
  return command
    .option('--password-stdin', 'read the password from the first line of standard input')
    .option('--password <password>', 'the password itself (visible to others on this machine; prefer the above)')
}

function fieldsOf({ email, emailVerified, name, role }: UserOptions) {
  return {
    email: email === false ? null : email,
    emailVerified,
    name: name === false ? null : name,
    roles: listOf(role),
  }
}

async function requireUser(db: Knex, name: string): Promise<User> {
  const user = isId('usr', name) ? await findUser(db, name) : await findUserByLogin(db, name)
  if (!user) throw new UsageError(`there is no user ${JSON.stringify(name)}`)
  return user
}

type PasswordSource = 'generated' | 'stdin' | 'command line'

async function choosePassword(
  { password, passwordStdin }: PasswordOptions,
  terminal: Terminal,
): Promise<{ password: string; source: PasswordSource }> {
  if (passwordStdin && password !== undefined) throw new UsageError('give --password-stdin or --password, not both')
  if (passwordStdin) return { password: await readLine(terminal.stdin), source: 'stdin' }
  if (password !== undefined) return { password, source: 'command line' }
  return { password: generatePassword(), source: 'generated' }
}

/** Five groups of five out of 31 characters that nobody takes for another: 123 bits. */
function generatePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'
  const group = () => Array.from({ length: 5 }, () => letters.charAt(randomInt(letters.length))).join('')
  return Array.from({ length: 5 }, group).join('-')
}

/** A user whose password was just set; the password itself only if nobody knows it yet. */
function withPasswordOf(source: PasswordSource, user: User, password: string, terminal: Terminal): Answer {
  if (source === 'command line') terminal.stderr.write(`grantry: warning: ${VISIBLE}\n`)
  return source === 'generated' ? record({ ...presentUser(user), password }, STORE_IT) : record(presentUser(user))
}

function presentSignedOut({ sessionsEnded, grantsRevoked, ...rest }: SignedOut & { users?: number }) {
  return { ...rest, sessions_ended: sessionsEnded, grants_revoked: grantsRevoked }
}
