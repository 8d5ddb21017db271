/** The audit log in the management API: who changed what, and whence. It is read here and written nowhere. */
import { z } from 'zod'
import { auditActions } from '../events/audit.ts'
import { findAuditEntry, presentAuditEntry, readAuditEntries, type AuditEntry } from '../events/audit-queries.ts'
import { operation, type Call, type Operation } from '../http/api/operation.ts'
import { textFilter, timeFilters, timeRange } from './filters.ts'
import { linksSchema, linkTo } from './links.ts'
import { problem } from './problems.ts'
import { time } from './schemas.ts'

const fields = (about: string) => z.record(z.string(), z.unknown()).nullable().describe(about)
const id = z.string().meta({ description: 'Grows with time: a number, in a string.', example: '4711' })

export const auditEventSchema = z
  .strictObject({
    id,
    at: time('When it was written.'),
    actor: z.string().meta({
      description: 'Who did it: the id of a user, a client or an API key, or `cli`, `first-run`, `system`.',
      example: 'apk_k5xq7m2n4p6r3s5t7v2w4y6z3a',
    }),
    channel: z.enum(['cli', 'page', 'api', 'system']).describe('The way in.'),
    os_user: z.string().nullable().describe('Of a command: the account on the operating system that ran it.'),
    address: z.string().nullable().describe('The IP address of the request.'),
    user_agent: z.string().nullable().describe('What the request said of its sender.'),
    trace_id: z.string().nullable().describe('Of the request: the same as in its log lines and its answer.'),
    action: z.enum(auditActions).describe('What was done.'),
    subject_kind: z.string().meta({ description: 'The kind of thing that was changed.', example: 'user' }),
    subject_id: z
      .string()
      .meta({ description: 'The thing that was changed.', example: 'usr_k5xq7m2n4p6r3s5t7v2w4y6z3a' }),
    user_id: z.string().nullable().describe('Whom it is about.'),
    before: fields('The fields that changed, as they were; null: there was nothing before.'),
    after: fields('The same fields, as they are since; null: there is nothing any more.'),
    links: linksSchema({ subject_history: 'All that was done to the same thing.' }),
  })
  .meta({
    id: 'AuditEvent',
    description:
      'One change, as it was recorded in its own transaction. Entries are never altered; of people who were deleted the names go.',
  })

const AUDIT_EVENT = {
  id: '4711',
  at: '2026-01-31T12:00:00.000Z',
  actor: 'apk_k5xq7m2n4p6r3s5t7v2w4y6z3a',
  channel: 'api',
  os_user: null,
  address: '192.0.2.17',
  user_agent: 'curl/8.17.0',
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  action: 'user.update',
  subject_kind: 'user',
  subject_id: 'usr_k5xq7m2n4p6r3s5t7v2w4y6z3a',
  user_id: 'usr_k5xq7m2n4p6r3s5t7v2w4y6z3a',
  before: { name: 'Ada Lovelace' },
  after: { name: 'Ada King' },
  links: {
    self: { href: 'https://auth.example.com/api/v1/audit-events/4711' },
    subject_history: {
      href: 'https://auth.example.com/api/v1/audit-events?subject=usr_k5xq7m2n4p6r3s5t7v2w4y6z3a',
    },
  },
}

const listAuditEvents = operation({
  id: 'listAuditEvents',
  method: 'GET',
  path: '/audit-events',
  tag: 'Audit events',
  summary: 'List audit events',
  description: 'Who changed what, and whence, in the order in which it was written. Filters narrow the list together.',
  access: { scope: 'audit-events:read' },
  query: z.strictObject({
    subject: textFilter('Only what was done to the thing with this id.', 'cli_k5xq7m2n4p6r3s5t7v2w4y6z3a').optional(),
    actor: textFilter('Only what this user, client or API key did, or `cli` or `system`.', 'cli').optional(),
    action: z.enum(auditActions).meta({ description: 'Only this action.', example: 'user.create' }).optional(),
    user_id: textFilter('Only what is about this user.', 'usr_k5xq7m2n4p6r3s5t7v2w4y6z3a').optional(),
    ...timeFilters('at'),
  }),
  list: {
    sort: ['at'],
    defaultSort: '-at',
    paging: ['cursor'],
    csv: ['id', 'at', 'actor', 'channel', 'action', 'subject_kind', 'subject_id', 'user_id', 'address', 'trace_id'],
  },
  responses: { 200: { description: 'A part of the list', schema: auditEventSchema, example: AUDIT_EVENT } },
  async handle(call) {
    const { subject, actor, action, user_id: userId } = call.query
    const filter = { subject, actor, action, userId, at: timeRange(call.query, 'at') }
    const { entries, next, total } = await readAuditEntries(call.db, { ...call.page, ...filter })
    return { list: { items: entries.map((entry) => showAuditEvent(call, entry)), next, total } }
  },
})

const readAuditEvent = operation({
  id: 'readAuditEvent',
  method: 'GET',
  path: '/audit-events/{audit_event_id}',
  tag: 'Audit events',
  summary: 'Read an audit event',
  access: { scope: 'audit-events:read' },
  params: z.object({ audit_event_id: id }),
  responses: { 200: { description: 'The audit event', schema: auditEventSchema, example: AUDIT_EVENT } },
  async handle(call) {
    const entry = await findAuditEntry(call.db, call.params.audit_event_id)
    if (!entry) throw problem('not-found', { detail: 'there is no such audit event' })
    return { body: showAuditEvent(call, entry) }
  },
})

function showAuditEvent(call: Pick<Call, 'link'>, entry: AuditEntry): object {
  const links = {
    self: linkTo(call, `/audit-events/${entry.id}`),
    subject_history: linkTo(call, `/audit-events?subject=${encodeURIComponent(entry.subject_id)}`),
  }
  return { ...presentAuditEntry(entry), id: String(entry.id), links }
}

export function auditEventOperations(): Operation[] {
  return [listAuditEvents, readAuditEvent]
}
