/** Channels gather the types of events by what they are about, and say who may follow them. */
import { eventCatalogue, eventChannels, eventTypes, type Channel, type EventType } from './catalogue.ts'

export type { Channel }

export const channels = Object.keys(eventChannels) as Channel[]

/** Whoever follows events needs this scope, and that of each channel. */
export const FOLLOW_SCOPE = 'events:read'

export function isChannel(name: string): name is Channel {
  return Object.hasOwn(eventChannels, name)
}

export function channelOf(type: EventType): Channel {
  return eventCatalogue[type].channel
}

export function scopeOf(channel: Channel): string {
  return eventChannels[channel].scope
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
