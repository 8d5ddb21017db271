import type { Knex } from 'knex'
import type pg from 'pg'
import { run, statement } from '../../database/statement.ts'
import { isId } from '../../lib/ids.ts'
import { RegistryError } from '../registry-error.ts'
import { normalizeLogin, type User } from './user.ts'

/** A row without the password's hash. */
export interface UserRow {
  id: string
  username: string
  email: string | null
  email_verified: boolean
  name: string | null
  roles: string[]
  disabled_at: Date | null
  password_changed_at: Date | null
  version: number
  created_at: Date
  updated_at: Date
}

export const COLUMNS = [
  'id',
  'username',
  'email',
  'email_verified',
  'name',
  'roles',
  'disabled_at',
  'password_changed_at',
  'version',
  'created_at',
  'updated_at',
] as const satisfies readonly (keyof UserRow)[]

const ALL = COLUMNS.join(', ')
const FIND_ACTIVE = statement(`select ${ALL} from users where id = $1 and disabled_at is null`)
const FIND_CREDENTIALS = statement(`select ${ALL}, password_hash from users where username = $1 or email = $1 limit 1`)
const FIND_CREDENTIALS_BY_ID = statement(`select ${ALL}, password_hash from users where id = $1`)
const REPLACE_HASH = statement('update users set password_hash = $3 where id = $1 and password_hash = $2 returning id')

const CONFIRM = `select ${ALL} from users where id = $1 and password_hash = $2 and disabled_at is null`
const CONFIRMED = statement(CONFIRM)

// Erasing somebody waits until what is written here is there to be erased.
const SIGNED_IN = statement(`
  with person as materialized (${CONFIRM} for key share), told as (
    insert into events (type, at, actor, subject, user_id, data)
    select 'login.succeeded', clock_timestamp(), id, id, id, jsonb_build_object('address', $3::text) from person
  )
  select * from person`)

/** The columns that a write may set, by their names in the database. */
export type UserChanges = Partial<Omit<UserRow, 'id' | 'version' | 'created_at' | 'updated_at'>> & {
  password_hash?: string
}

export async function findUser(db: Knex, id: string): Promise<User | undefined> {
  if (!isId('usr', id)) return undefined
  const row = await db('users')
    .where({ id })
    .first<UserRow | undefined>(...COLUMNS)
  return row && toUser(row)
}

/** Finds an account by what people type: username or e-mail address, in any spelling that has the same normal form. */
export async function findUserByLogin(db: Knex, login: string): Promise<User | undefined> {
  const name = normalizeLogin(login) ?? ''
  const row = await db('users')
    .where({ username: name })
    .orWhere({ email: name })
    .first<UserRow | undefined>(...COLUMNS)
  return row && toUser(row)
}

/** For the token path: one prepared statement. Undefined when the user is unknown or disabled. */
export async function findActiveUser(pool: pg.Pool, id: string): Promise<User | undefined> {
  if (!isId('usr', id)) return undefined
  const [row] = await run<UserRow>(pool, FIND_ACTIVE, [id])
  return row && toUser(row)
}

export interface Credentials {
  user: User
  passwordHash: string | null
}

/** The account with its hash, for those who check a password. The disabled are found too. */
export async function findCredentials(pool: pg.Pool, login: string): Promise<Credentials | undefined> {
  // An impossible name is looked up all the same: its absence must cost what an unknown account costs.
  const [row] = await run<CredentialsRow>(pool, FIND_CREDENTIALS, [normalizeLogin(login) ?? ''])
  return row && toCredentials(row)
}

/** The account with its hash, by id. */
export async function findCredentialsById(pool: pg.Pool, id: string): Promise<Credentials | undefined> {
  if (!isId('usr', id)) return undefined
  const [row] = await run<CredentialsRow>(pool, FIND_CREDENTIALS_BY_ID, [id])
  return row && toCredentials(row)
}

type CredentialsRow = UserRow & { password_hash: string | null }

function toCredentials(row: CredentialsRow): Credentials {
  return { user: toUser(row), passwordHash: row.password_hash }
}

interface Checked {
  userId: string
  /** The hash that the password was checked against. */
  passwordHash: string
}

/** Keeps a fresh hash of the same password. @returns false when the account has another one by now than was checked */
export async function replaceHash(
  pool: pg.Pool,
  { userId, passwordHash }: Checked,
  freshHash: string,
): Promise<boolean> {
  return (await run(pool, REPLACE_HASH, [userId, passwordHash, freshHash])).length > 0
}

/**
 * Whether the hash that a password was checked against is still the account's, and the account open: a password that was
 * changed while its check ran opens nothing.
 * @param address whence the person signs in, which is then told as an event, in the same statement
 * @returns the user as of now; undefined when the check came too late
 */
export async function confirmCredentials(
  pool: pg.Pool,
  { userId, passwordHash }: Checked,
  address?: string,
): Promise<User | undefined> {
  const checked = [userId, passwordHash]
  const [row] = await (address === undefined
    ? run<UserRow>(pool, CONFIRMED, checked)
    : run<UserRow>(pool, SIGNED_IN, [...checked, address]))
  return row && toUser(row)
}

/** @throws RegistryError `conflict` with the field when someone else has the username or address */
export async function insertUser(trx: Knex, row: UserChanges & { id: string; username: string }): Promise<User> {
  const [made] = await distinctly(
    trx('users')
      .insert(row)
      .returning<UserRow[]>([...COLUMNS]),
  )
  return toUser(made as UserRow)
}

/** @throws RegistryError `conflict` with the field when someone else has the username or address */
export async function changeUser(trx: Knex, id: string, changes: UserChanges): Promise<User> {
  const [changed] = await distinctly(
    trx('users')
      .where({ id })
      .update({ ...changes, version: trx.raw('version + 1'), updated_at: trx.raw('clock_timestamp()') })
      .returning<UserRow[]>([...COLUMNS]),
  )
  return toUser(changed as UserRow)
}

export async function removeUser(trx: Knex, id: string): Promise<void> {
  await trx('users').where({ id }).delete()
}

/**
 * Holds the user's row until the transaction ends. Sessions, grants and consents that others are writing for this user are
 * waited for (their foreign keys hold a share of the row), so that what is ended next includes them.
 * @throws RegistryError `not_found`
 */
export async function lockUser(trx: Knex, id: string): Promise<User> {
  const row = isId('usr', id)
    ? await trx('users')
        .where({ id })
        .forUpdate()
        .first<UserRow | undefined>(...COLUMNS)
    : undefined
  if (!row) throw new RegistryError('not_found', 'there is no such user')
  return toUser(row)
}

const TAKEN: Record<string, string> = { users_username_key: 'username', users_email_key: 'email' }

/** The database decides who was first; its answer is put into words. */
async function distinctly<T>(write: PromiseLike<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    const { code, constraint } = error as { code?: string; constraint?: string }
    const field = code === '23505' ? TAKEN[constraint ?? ''] : undefined
    if (!field) throw error
    throw new RegistryError('conflict', `another user has this ${field === 'email' ? 'e-mail address' : field}`, field)
  }
}

export function toUser(row: UserRow): User {
  return {
    id: row.id,
    username: row.username,
    email: row.email,
    emailVerified: row.email_verified,
    name: row.name,
    roles: row.roles,
    disabledAt: row.disabled_at,
    passwordChangedAt: row.password_changed_at,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
