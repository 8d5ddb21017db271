/** A fault of the database or its surroundings that the operator can mend: its message is one line, fit to be printed as it is. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
}
