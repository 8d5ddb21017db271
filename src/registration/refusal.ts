/** A registration that is not taken (RFC 7591 §3.2.2), with what is told of why. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: { error: string; error_description: string }

  constructor(status: number, error: string, description: string, headers: Record<string, string> = {}) {
    super(description)
    this.status = status
    this.headers = headers
    this.body = { error, error_description: plain(description) }
  }
}

/** RFC 6749 §5.2 names the characters: visible ASCII without quotation mark and backslash. */
function plain(text: string): string {
  return text.replaceAll(/["\\]/g, "'").replaceAll(/[^ -~]/g, '?')
}
