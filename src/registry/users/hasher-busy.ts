/** Passwords can't be checked just now: answer "try again in a moment" (503), not "wrong password". */
export class HasherBusyError extends Error {
  override name = 'HasherBusyError'
}
