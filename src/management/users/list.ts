import { z } from 'zod'
import { operation } from '../../http/api/operation.ts'
import { listUsers, userSortings } from '../../registry/users/list.ts'
import { flagFilter, textFilter, timeFilters, timeRange } from '../filters.ts'
import { USER } from './examples.ts'
import { showUser } from './present.ts'
import { userSchema } from './schemas.ts'

const query = z.strictObject({
  role: textFilter('Only users with this role.', 'staff').optional(),
  disabled: flagFilter('Only users whose account is shut, or only those whose account is open.').optional(),
  username: textFilter('Only the user with this username, in any spelling.', 'ada').optional(),
  email: textFilter('Only the user with this e-mail address, in any spelling.', 'ada@example.com').optional(),
  q: textFilter(
    'Only users whose username, e-mail address or name begins with this, whatever its case.',
    'ada',
  ).optional(),
  ...timeFilters('created_at'),
})

export const listUsersOperation = operation({
  id: 'listUsers',
  method: 'GET',
  path: '/users',
  tag: 'Users',
  summary: 'List users',
  description:
    'Filters narrow the list together. By cursor (the default) a page far back costs what the first costs, and nobody is told twice or passed over because others come or go in between.',
  access: { scope: 'users:read' },
  query,
  list: {
    sort: userSortings,
    defaultSort: '-created_at',
    paging: ['cursor', 'offset'],
    csv: ['id', 'username', 'email', 'name', 'roles', 'disabled_at', 'created_at'],
  },
  responses: { 200: { description: 'A part of the list', schema: userSchema, example: USER } },
  async handle(call) {
    const { role, disabled, username, email, q } = call.query
    const createdAt = timeRange(call.query, 'created_at')
    const filter = { role, disabled, username, email, prefix: q, createdAt }
    const { users, next, total } = await listUsers(call.db, { ...call.page, ...filter })
    return { list: { items: users.map((user) => showUser(call, user)), next, total } }
  },
})
