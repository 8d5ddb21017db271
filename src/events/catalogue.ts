/**
 * Every type of event there is: its channel, what it means, and the facts that it carries. A name that is not here can't be
 * written, and neither can a fact. The document of the management API and docs/events.md are made from this.
 */
import type { z } from 'zod'
import type { EventDefinition } from './catalogue/definition.ts'
import { consents, logins, sessions, users } from './catalogue/people.ts'
import { apiKeys, clients, keys, registrationTokens, resources, webhooks } from './catalogue/registry.ts'
import { tokens } from './catalogue/tokens.ts'

/** Channels gather types by what they are about; whoever follows one needs its scope beside `events:read`. */
export const eventChannels = {
  users: { about: 'Accounts of people.', scope: 'users:read' },
  sessions: { about: 'Browsers in which people are signed in.', scope: 'users:read' },
  logins: { about: 'Attempts to sign in.', scope: 'users:read' },
  consents: { about: 'What people allow clients.', scope: 'users:read' },
  tokens: { about: 'Tokens, and the families that they belong to.', scope: 'users:read' },
  clients: { about: 'Apps and machines that may ask for tokens.', scope: 'clients:read' },
  resources: { about: 'The APIs that tokens are made for.', scope: 'resources:read' },
  'api-keys': { about: 'Keys to the management API.', scope: 'api-keys:read' },
  keys: { about: 'Keys that tokens are signed with.', scope: 'keys:read' },
  webhooks: { about: 'URLs that are told of events.', scope: 'webhooks:read' },
} as const satisfies Record<string, { about: string; scope: string }>

export type Channel = keyof typeof eventChannels

export const eventCatalogue = {
  ...inChannel('users', users),
  ...inChannel('sessions', sessions),
  ...inChannel('logins', logins),
  ...inChannel('consents', consents),
  ...inChannel('tokens', tokens),
  ...inChannel('clients', clients),
  ...inChannel('clients', registrationTokens),
  ...inChannel('resources', resources),
  ...inChannel('api-keys', apiKeys),
  ...inChannel('keys', keys),
  ...inChannel('webhooks', webhooks),
}

export type EventType = keyof typeof eventCatalogue

export const eventTypes = Object.keys(eventCatalogue) as [EventType, ...EventType[]]

/** The schema of `data`, by type. */
export const eventSchemas = Object.fromEntries(eventTypes.map((type) => [type, eventCatalogue[type].data])) as {
  [Type in EventType]: (typeof eventCatalogue)[Type]['data']
}

/** The facts of an event of this type. */
export type EventData<Type extends EventType> = Facts<z.infer<(typeof eventCatalogue)[Type]['data']>>

/** Whoever writes an event may hand in what must not be changed. */
type Facts<T> = T extends readonly (infer Item)[]
  ? readonly Facts<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Facts<T[Name]> }
    : T

function inChannel<Name extends Channel, Events extends Record<string, EventDefinition>>(
  channel: Name,
  events: Events,
): { [Type in keyof Events]: Events[Type] & { channel: Name } } {
  const entries = Object.entries(events).map(([type, definition]) => [type, { ...definition, channel }])
  return Object.fromEntries(entries) as { [Type in keyof Events]: Events[Type] & { channel: Name } }
}
