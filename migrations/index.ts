/** The migrations in their order. Names carry no file extension, so that sources and compiled code agree on them. */
import type { Knex } from 'knex'
import * as registry from './0001-registry.ts'
import * as signingKeys from './0002-signing-keys.ts'
import * as protocol from './0003-protocol.ts'
import * as events from './0004-events.ts'
import * as audit from './0005-audit.ts'
import * as limits from './0006-limits.ts'
import * as management from './0007-management.ts'
import * as lists from './0008-lists.ts'
import * as eventOrder from './0009-event-order.ts'
import * as webhooks from './0010-webhooks.ts'
import * as clientKeys from './0012-client-keys.ts'
import * as dpop from './0013-dpop.ts'
import * as device from './0014-device.ts'
import * as selfRegistration from './0015-self-registration.ts'
import * as clientDocuments from './0016-client-documents.ts'
import * as tokenExchange from './0017-token-exchange.ts'
import * as backchannelLogout from './0018-backchannel-logout.ts'
import * as bounded from './0020-bounded.ts'
import * as clientLeases from './0021-client-leases.ts'
import * as putEventsInOrder from './0022-put-events-in-order.ts'

export interface Migration {
  name: string
  /**
   * Left out by what only adds (expand): older versions work on. What takes something away (contract) names the migration from
   * which on no code uses it any more: versions that don't know that one refuse to start here.
   */
  needs?: string
  up(knex: Knex): Promise<void>
  down(knex: Knex): Promise<void>
}

export const migrations: readonly Migration[] = [
  { name: '0001-registry', ...registry },
  { name: '0002-signing-keys', ...signingKeys },
  { name: '0003-protocol', ...protocol },
  { name: '0004-events', ...events },
  { name: '0005-audit', ...audit },
  { name: '0006-limits', ...limits },
  { name: '0007-management', ...management },
  { name: '0008-lists', ...lists },
  { name: '0009-event-order', ...eventOrder },
  { name: '0010-webhooks', ...webhooks },
  { name: '0012-client-keys', ...clientKeys },
  { name: '0013-dpop', ...dpop },
  { name: '0014-device', ...device },
  { name: '0015-self-registration', ...selfRegistration },
  { name: '0016-client-documents', ...clientDocuments },
  { name: '0017-token-exchange', ...tokenExchange },
  { name: '0018-backchannel-logout', ...backchannelLogout },
  { name: '0020-bounded', ...bounded },
  { name: '0021-client-leases', ...clientLeases },
  { name: '0022-put-events-in-order', ...putEventsInOrder },
]
