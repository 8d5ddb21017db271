/** Channels gather the types of events by the noun that they are about, and say who may follow them. */
import { eventTypes, type EventType } from './catalogue.ts'

/** The first word of a type → its channel, and the scope that whoever follows it needs beside `events:read`. */
const CHANNELS = {
  users: { words: ['user'], scope: 'users:read' },
  sessions: { words: ['session'], scope: 'users:read' },
  logins: { words: ['login'], scope: 'users:read' },
  consents: { words: ['consent'], scope: 'users:read' },
  tokens: { words: ['grant', 'token', 'authorization_code', 'refresh_token'], scope: 'users:read' },
  clients: { words: ['client'], scope: 'clients:read' },
  resources: { words: ['resource'], scope: 'resources:read' },
  'api-keys': { words: ['api_key'], scope: 'api-keys:read' },
  keys: { words: ['key'], scope: 'keys:read' },
  webhooks: { words: ['webhook'], scope: 'webhooks:read' },
} as const satisfies Record<string, { words: readonly string[]; scope: string }>

export type Channel = keyof typeof CHANNELS

export const channels = Object.keys(CHANNELS) as Channel[]

/** Whoever follows events needs this scope, and that of each channel. */
export const FOLLOW_SCOPE = 'events:read'

const byWord = new Map<string, Channel>(
  channels.flatMap((channel) => CHANNELS[channel].words.map((word) => [word, channel] as const)),
)

export function isChannel(name: string): name is Channel {
  return Object.hasOwn(CHANNELS, name)
}

export function channelOf(type: EventType): Channel {
  const channel = byWord.get(type.split('.')[0] ?? '')
  if (!channel) throw new Error(`the event type ${type} belongs to no channel`)
  return channel
}

export function scopeOf(channel: Channel): string {
  return CHANNELS[channel].scope
}

/** The types that somebody with these scopes may see. */
export function visibleTypes(scopes: ReadonlySet<string>): Set<EventType> {
  if (!scopes.has(FOLLOW_SCOPE)) return new Set()
  return new Set(eventTypes.filter((type) => scopes.has(scopeOf(channelOf(type)))))
}

/**
 * The types that patterns stand for: `user.created`, `user.*` (a first word), or `*`.
 * @returns undefined for a pattern that stands for nothing
 */
export function typesOf(pattern: string): EventType[] | undefined {
  if (pattern === '*') return [...eventTypes]
  const found = pattern.endsWith('.*')
    ? eventTypes.filter((type) => type.startsWith(pattern.slice(0, -1)))
    : eventTypes.filter((type) => type === pattern)
  return found.length > 0 ? found : undefined
}

export function typesOfChannels(names: Iterable<Channel>): Set<EventType> {
  const wanted = new Set(names)
  return new Set(eventTypes.filter((type) => wanted.has(channelOf(type))))
}
