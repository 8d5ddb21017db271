/** One requirement of a standard, and how Grantry stands to it. */
export interface Clause {
  /** As the standard numbers it: `ASVS 10.4.2`, `RFC 9700 4.14.2 d`. Letters are ours, in the order of the text. */
  id: string
  /** ASVS asks the first level of everybody, the third of those with most to lose. */
  level?: 1 | 2 | 3
  /** What is asked, in our own words. */
  says: string
  /** `met` by tests; `not applicable` for the reason in the note; `not yet`, and the note says what is missing. */
  state: 'met' | 'not applicable' | 'not yet'
  /** Titles of tests that fail when this no longer holds, as they stand in the source. */
  tests?: readonly string[]
  note?: string
}

/** A chapter of a standard, walked as a whole. */
export interface Chapter {
  /** `V3`, `§4` */
  name: string
  title: string
  clauses: readonly Clause[]
}
