/**
 * What a noun of the registry answers when it can't do as told. The message is for the person who asked: it names what is
 * wrong and how a good value looks, and never repeats a secret. Whoever renders it maps `code` to a status.
 */
export type RegistryErrorCode = 'invalid' | 'conflict' | 'not_found' | 'forbidden'

export class RegistryError extends Error {
  override name = 'RegistryError'
  readonly code: RegistryErrorCode
  /** The field at fault, in the form that callers send it (`redirect_uris`, `username`). */
  readonly field?: string

  constructor(code: RegistryErrorCode, message: string, field?: string) {
    super(message)
    this.code = code
    if (field !== undefined) this.field = field
  }
}
