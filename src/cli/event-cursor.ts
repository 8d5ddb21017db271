import { InvalidArgumentError } from 'commander'
import { HistoryGoneError, UnknownPositionError } from '../events/feed.ts'
import { positionOf } from '../events/stream/follow.ts'
import { UsageError } from './terminal.ts'

/** What stands in the way of going on from a cursor, for the person who gave it. */
export function placeError(error: unknown): unknown {
  if (error instanceof HistoryGoneError) {
    return new UsageError(`events up to the cursor ${error.oldest - 1} have been swept: go on from there`)
  }
  return error instanceof UnknownPositionError ? new UsageError('there is no event at this cursor yet') : error
}

export function cursor(value: string): number {
  const position = positionOf(value)
  if (position === undefined) throw new InvalidArgumentError('It must be a cursor, as event list --json shows them.')
  return position
}
