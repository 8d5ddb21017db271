import { Visitor, type Page } from './visitor.ts'

/** A visitor who can stop between a form and what it leads to: what happens in between is what races are made of. */
export class StepVisitor extends Visitor {
  #follow = true

  /** Sends a form and follows no redirect. @returns the answer, its `url` where the browser would go next */
  async post(page: Page, action: string | RegExp, fields: Record<string, string> = {}): Promise<Page> {
    this.#follow = false
    // The form is sent before the first await, so that a request beside this one follows its redirects as ever.
    const answer = this.submit(page, action, fields)
    this.#follow = true
    return answer
  }

  override async open(target: string, init: RequestInit = {}): Promise<Page> {
    if (this.#follow) return super.open(target, init)
    const response = await this.request(target, init)
    const url = new URL(response.headers.get('location') ?? target, this.issuer).href
    return { url, status: response.status, headers: response.headers, html: await response.text() }
  }
}
