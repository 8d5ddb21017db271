/** The form that sends an operation's request; without script it does not show. */
import type { OpenApiDocument } from '../openapi.ts'
import type { Json } from '../openapi-schemas.ts'
import { bodyExample, type Shown } from './curl.ts'
import { resolve } from './example.ts'
import { markup, type Content, type Html } from './html.ts'

/** A template, so that forms cost nothing until somebody wants one. */
export function tryView(document: OpenApiDocument, { method, path, operation }: Shown): Html {
  const { operationId: id, requestBody, responses } = operation
  const parameters = operation.parameters.map((parameter) => resolve(document, parameter))
  const required = parameters.filter(isNeeded)
  const others = parameters.filter((parameter) => !isNeeded(parameter))
  const body = bodyExample(document, operation)
  const types = Object.keys((requestBody?.content ?? {}) as Json)
  const accepts = acceptable(document, responses)
  return markup`<button type="button" class="primary scripted" data-try="${id}" aria-expanded="false">Try it</button>
<template id="${id}-form"><form class="try" data-method="${method}" data-path="${path}" aria-label="Try ${id}">
${required.map((parameter) => input(id, parameter))}
${body && bodyInput(id, body)}
${
  (others.length > 0 || types.length > 1 || accepts.length > 1) &&
  markup`<details><summary>More parameters</summary>
${types.length > 1 && select(id, 'Content-Type', types)}
${accepts.length > 1 && select(id, 'Accept', accepts)}
${others.map((parameter) => input(id, parameter))}</details>`
}
<button type="submit" class="${method === 'DELETE' ? 'primary danger' : 'primary'}">Send ${method}</button>
<p class="outcome" role="status"></p>
<div class="result" role="group" aria-label="What came back" tabindex="0" hidden></div>
</form></template>`
}

function isNeeded(parameter: Json): boolean {
  return parameter.required === true || parameter.name === 'Idempotency-Key'
}

function acceptable(document: OpenApiDocument, responses: Record<string, Json>): string[] {
  const successes = Object.entries(responses).filter(([status]) => Number(status) < 300)
  return [...new Set(successes.flatMap(([, given]) => Object.keys((resolve(document, given).content ?? {}) as Json)))]
}

function input(operation: string, parameter: Json): Html {
  const name = String(parameter.name)
  const place = String(parameter.in)
  const id = `${operation}-${place}-${name.replaceAll(/[^\w-]/g, '_')}`
  const values = ((parameter.schema ?? {}) as Json).enum as unknown[] | undefined
  const required: Content = parameter.required === true && ' required'
  const attributes = markup`id="${id}" data-in="${place}" name="${name}"`
  const control = values
    ? markup`<select ${attributes}>${parameter.required !== true && markup`<option value="">not sent</option>`}${values.map(
        (value) => markup`<option>${String(value)}</option>`,
      )}</select>`
    : markup`<input ${attributes}${required} autocomplete="off" spellcheck="false">`
  return markup`<p><label for="${id}"><code>${name}</code>${required}</label>${control}</p>`
}

function select(operation: string, name: string, values: readonly string[]): Html {
  const id = `${operation}-header-${name}`
  return markup`<p><label for="${id}"><code>${name}</code></label>
<select id="${id}" data-in="header" name="${name}">${values.map((value) => markup`<option>${value}</option>`)}</select></p>`
}

function bodyInput(operation: string, { mediaType, value }: { mediaType: string; value: unknown }): Html {
  const text = JSON.stringify(value, null, 2)
  const rows = Math.min(18, Math.max(3, text.split('\n').length))
  return markup`<p><label for="${operation}-body">Body</label>
<textarea id="${operation}-body" data-in="body" data-type="${mediaType}" rows="${rows}" autocomplete="off" spellcheck="false">${text}</textarea></p>`
}
