/** One operation on the reference page: what it takes, what it answers, and a form to try it. */
import type { OpenApiDocument } from '../openapi.ts'
import type { Json } from '../openapi-schemas.ts'
import { curlOf, mediaExample, type Shown } from './curl.ts'
import { resolve } from './example.ts'
import { inline, markup, prose, type Content, type Html } from './html.ts'
import { fieldView, schemaView } from './schema.ts'
import { tryView } from './try.ts'

export interface OperationContext {
  document: OpenApiDocument
  /** Where the type of a problem leads. */
  problems: string
}

/** Folded; its address (`#readUser`) unfolds it. */
export function operationView(shown: Shown, context: OperationContext): Html {
  const { document } = context
  const { method, path, operation } = shown
  const { operationId: id, summary, description, deprecated } = operation
  return markup`<details class="operation" data-operation="${id}">
<summary><h3><span class="method ${method.toLowerCase()}">${method}</span> <code class="path">${path}</code>
<span class="summary">${summary}${deprecated && markup` <span class="must">deprecated</span>`}</span></h3></summary>
<div class="body" id="${id}">
<div class="told">
${description && markup`<div class="prose">${prose(description)}</div>`}
${accessView(shown)}
${parametersView(document, operation.parameters)}
${bodyView(document, operation.requestBody)}
${answersView(shown, context)}
${problemsView(shown, context)}
</div>
<div class="shown">
${codeView('Request', curlOf(document, shown), `${id}-curl`)}
${exampleView(shown, context)}
${tryView(document, shown)}
</div>
</div>
</details>`
}

function accessView({ operation: { security, operationId } }: Shown): Html {
  const scopes = [...new Set(security.flatMap((scheme) => Object.values(scheme).flat()))]
  const told: Content =
    security.length === 0
      ? 'Anybody may call this, without credentials.'
      : scopes.length === 0
        ? 'Any valid credentials will do.'
        : ['Needs the scope ', scopes.map((scope) => markup`<code>${scope}</code>`), '.']
  return markup`<h4 id="${operationId}-access">Access</h4><p>${told}</p>`
}

const PLACES: readonly [place: string, title: string][] = [
  ['path', 'Path'],
  ['query', 'Query'],
  ['header', 'Header'],
]

function parametersView(document: OpenApiDocument, given: readonly Json[]): Content {
  const parameters = given.map((parameter) => resolve(document, parameter))
  return PLACES.map(([place, title]) => {
    const here = parameters.filter((parameter) => parameter.in === place)
    if (here.length === 0) return undefined
    return markup`<h4>${title}</h4>
<ul class="fields">${here.map((parameter) =>
      fieldView(document, {
        name: String(parameter.name),
        schema: parameter.schema as Json,
        isRequired: parameter.required === true,
        description: parameter.description as string | undefined,
      }),
    )}</ul>`
  })
}

function bodyView(document: OpenApiDocument, body: Json | undefined): Content {
  if (!body) return undefined
  const content = Object.entries(body.content as Record<string, Json>)
  const [, media] = content[0] ?? []
  return markup`<h4>Body</h4>
<p class="rule">${content.map(([type], index) => [index > 0 && ' or ', markup`<code>${type}</code>`])}</p>
${media && schemaView(document, media.schema as Json)}`
}

function answersView({ operation }: Shown, { document }: OperationContext): Html {
  const successes = Object.entries(operation.responses).filter(([status]) => Number(status) < 400)
  return markup`<h4>Answers</h4>
<ul class="answers">${successes.map(([status, given]) => {
    const response = resolve(document, given)
    const content = (response.content ?? {}) as Record<string, Json>
    const [entry] = Object.entries(content)
    const headers = Object.keys((response.headers ?? {}) as Json)
    return markup`<li><p><span class="status good">${status}</span> ${inline(String(response.description))}</p>
${
  entry &&
  markup`<details><summary>Content and headers</summary>
<p class="rule">${Object.keys(content).map((type, index) => [index > 0 && ' or ', markup`<code>${type}</code>`])}</p>
${schemaView(document, entry[1].schema as Json)}
<p class="rule">Headers: ${headers.map((name, index) => [index > 0 && ', ', markup`<code>${name}</code>`])}</p></details>`
}</li>`
  })}</ul>`
}

function problemsView({ operation }: Shown, { document, problems }: OperationContext): Content {
  const failures = Object.entries(operation.responses).filter(([status]) => Number(status) >= 400)
  const rows = failures.flatMap(([status, given]) => {
    const content = (resolve(document, given).content ?? {}) as Record<string, Json>
    const examples = (content['application/problem+json']?.examples ?? {}) as Record<string, { value: Json }>
    return Object.entries(examples).map(
      ([
        code,
        { value },
      ]) => markup`<li><span class="status">${status}</span> <a href="${problems}#${code}"><code>${code}</code></a>
<span>${String(value.title)}</span></li>`,
    )
  })
  if (rows.length === 0) return undefined
  return markup`<h4>Problems</h4><ul class="problems">${rows}</ul>`
}

function exampleView({ operation }: Shown, { document }: OperationContext): Content {
  const [success] = Object.entries(operation.responses).filter(([status]) => Number(status) < 300)
  if (!success) return undefined
  const [status, given] = success
  const [entry] = Object.entries((resolve(document, given).content ?? {}) as Record<string, Json>)
  if (!entry) return markup`<h4>Answer ${status}</h4><p class="rule">without content</p>`
  const [type, media] = entry
  const value = mediaExample(document, media)
  const text = type.endsWith('json') ? JSON.stringify(value, null, 2) : String(value)
  return codeView(`Answer ${status}`, text, `${operation.operationId}-answer`)
}

/** Code with a button that copies it. */
export function codeView(title: string, text: string, id: string): Html {
  return markup`<div class="code"><div class="bar"><h4>${title}</h4>
<button type="button" class="plain scripted" data-copy="${id}">Copy<span class="unseen"> ${title.toLowerCase()}</span></button></div>
<pre id="${id}" tabindex="0" role="group" aria-label="${title}">${text}</pre></div>`
}
