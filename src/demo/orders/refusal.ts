/** Why an order can't be placed or changed. The code is the name of the problem that the API answers with. */
export type RefusalCode =
  | 'order-not-found'
  | 'item-not-found'
  | 'too-many-orders'
  | 'too-many-items'
  | 'last-item'
  | 'several-items'
  | 'insufficient-funds'
  | 'order-shipped'
  | 'order-cancelled'
  | 'version-mismatch'

export class OrderRefusal extends Error {
  override readonly name = 'OrderRefusal'
  readonly code: RefusalCode
  /** More that a program can act on. */
  readonly facts: Readonly<Record<string, unknown>>

  constructor(code: RefusalCode, detail?: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(detail ?? '')
    this.code = code
    this.facts = facts
  }
}
