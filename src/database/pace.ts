/**
 * How large the next batch of a sweep is, and how long to rest before it: pure. Batches grow while they are quick, and shrink
 * when the database is busy or the rows are heavy. At least as long as a batch took nothing is done; a database that is slow
 * even with the smallest gets longer rests.
 */
export interface Pace {
  /** Rows of the next batch. */
  batch(): number
  /** @returns how long to rest, in milliseconds */
  took(milliseconds: number, isFull: boolean): number
  /** It was more than the database could do in time. */
  failed(): void
}

const LEAST = 50
const TARGET_MS = 25
const SHORTEST_REST_MS = 5
const LONGEST_REST_MS = 2_000

/** @param most rows of a batch, however quick */
export function createPace({ first = 500, most = 2_000 }: { first?: number; most?: number } = {}): Pace {
  let size = Math.min(first, most)
  const shrink = () => {
    size = Math.max(Math.min(LEAST, most), Math.floor(size / 2))
  }
  return {
    batch: () => size,
    took(milliseconds, isFull) {
      const isSlow = milliseconds > 2 * TARGET_MS
      const factor = isSlow && size <= LEAST ? 4 : 1
      if (isSlow) shrink()
      else if (isFull && milliseconds < TARGET_MS) size = Math.min(most, size * 2)
      return Math.min(LONGEST_REST_MS, Math.max(SHORTEST_REST_MS, milliseconds * factor))
    },
    failed: shrink,
  }
}
