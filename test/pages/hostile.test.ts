/**
 * Whatever stands in a model, the page keeps its shape: the same elements with the same attributes as for harmless text.
 */
import { join } from 'node:path'
import test from 'ava'
import { fc } from '../support/property.ts'
import type { PageModels, PageName } from '../../src/interactions/pages/models.ts'
import { createRenderer } from '../../src/interactions/pages/render.ts'
import { NASTY, PLACES } from './hostile-text.ts'
import { byTag, parseHtml, shapeOf, textOf, type Element } from './parse-html.ts'
import { NOW } from './samples.ts'

const renderer = createRenderer({ directory: join(import.meta.dirname, '../../views'), now: () => NOW })

/** Fields that become a link, or nothing when they are not an address. */
const ADDRESSES = new Set(['consent.clientUri', 'expired.restartUri'])

/** Fields that are a sentence of our own side, in the reader's language, and stand alone. */
const SENTENCES = new Set(['error.hint', 'account.passwordError'])

const hostile = fc
  .array(fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: 'binary', maxLength: 8 })), {
    minLength: 1,
    maxLength: 4,
  })
  .map((parts) => parts.join(''))

function draw(page: PageName, model: PageModels[PageName]): Element {
  return parseHtml(renderer.render(page, 'en', model))
}

for (const { page, title, field, fill } of PLACES) {
  test(`${title}: hostile text changes words, never the page`, (t) => {
    const harmless = ADDRESSES.has(field) ? ['https://harmless.example/', 'no address'] : ['harmless', '']
    const shapes = new Set(harmless.map((text) => shapeOf(draw(page, fill(text)))))
    fc.assert(
      fc.property(hostile, (text) => {
        const root = draw(page, fill(text))
        if (!shapes.has(shapeOf(root))) throw new Error(`the page took another shape: ${textOf(root)}`)
        for (const link of byTag(root, 'a', 'link')) {
          const href = link.attributes.get('href') ?? ''
          if (!/^(?:https?:\/\/|\/(?![/\\]))/.test(href)) throw new Error(`a link leads to ${href}`)
        }
      }),
      { numRuns: 60 },
    )
    t.pass()
  })
}

/** Every piece of text of the body, with whether it is isolated from the text around it. */
function pieces(root: Element, isIsolated = false): { text: string; isIsolated: boolean }[] {
  return root.children.flatMap((child) => {
    if (typeof child === 'string') return [{ text: child, isIsolated }]
    return child.tag === 'title' ? [] : pieces(child, isIsolated || child.tag === 'bdi')
  })
}

test('a name that goes the other way is isolated from the sentence around it, and nothing invisible is shown', (t) => {
  let seen = 0
  for (const { page, field, fill } of PLACES) {
    const root = draw(page, fill('\u202Eשלום\u2066 \u200Bعالم\uFEFF'))
    t.notRegex(textOf(root), /[\u202E\u2066\u200B\uFEFF]/, field)
    for (const { text, isIsolated } of pieces(root)) {
      if (!text.includes('שלום')) continue
      seen += 1
      t.true(isIsolated || SENTENCES.has(field), `${field} in "${text.trim()}"`)
    }
  }
  t.true(seen > 30, `${seen} pieces looked at`)
})
