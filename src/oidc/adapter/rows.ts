/** 23503: the row refers to one that is gone, here a grant that was revoked while a token was being written. */
export function isForeignKeyViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '23503'
}

/** Rows in the order of what was asked for, by their `place` from 1; undefined where there is none. */
export function inPlaces<Row extends { place: number }>(rows: readonly Row[], length: number): (Row | undefined)[] {
  const places: (Row | undefined)[] = Array.from({ length })
  for (const row of rows) places[row.place - 1] = row
  return places
}

/** For each digest whether the statement told of it: true, or undefined for those that it passed over. */
export function toldOf(digests: readonly Buffer[], rows: readonly { id_digest: Buffer }[]): (true | undefined)[] {
  const told = new Set(rows.map(({ id_digest }) => id_digest.toString('latin1')))
  return digests.map((digest) => (told.has(digest.toString('latin1')) ? true : undefined))
}
