import type { PlacedEvent } from './operations.ts'

/** Something that happened on the server, the same by webhook and by feed. `type` says what stands in `data`. */
export type GrantryEvent = Omit<PlacedEvent, 'cursor'>
