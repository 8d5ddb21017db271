/**
 * The reference page: an API's OpenAPI document for people. Made on the server, of use without script, and of nothing but
 * what this server serves. It knows documents, not the API behind them.
 */
import type { OpenApiDocument } from '../openapi.ts'
import type { Shown } from './curl.ts'
import { markup, prose, type Content, type Html } from './html.ts'
import { operationView } from './operation.ts'

export interface ReferencePage {
  document: OpenApiDocument
  /** Where the files of `assets/` are served: `/api/docs/assets`. */
  assets: string
  /** Where the document is served. */
  documentUrl: string
  /** The page that explains the problems. */
  problems: string
  /** Where the page's script asks how to sign in; left out when nobody can. */
  signIn?: string | undefined
}

/** A whole page. */
export function referencePage(page: ReferencePage): string {
  const { document, documentUrl } = page
  const { info, servers } = document
  const groups = groupByTag(document)
  return shell({
    title: info.title,
    language: 'en',
    assets: page.assets,
    script: true,
    body: markup`
<header class="top">
<a class="brand" href="#about"><img src="${page.assets}/mark.svg" width="28" height="28" alt=""> ${info.title} <span class="version">${info.version}</span></a>
<div class="credentials scripted"><p class="state" role="status" id="credentials-state">No credentials</p>
<button type="button" id="credentials-open">Credentials</button></div>
</header>
<div class="columns">
<nav aria-label="Operations">
<p class="filter scripted" role="search"><label for="filter">Find an operation</label>
<input type="search" id="filter" autocomplete="off" spellcheck="false" aria-describedby="filter-count">
<span id="filter-count" class="rule" role="status"></span></p>
${groups.map(navigationView)}
</nav>
<main id="main" data-base="${servers[0]?.url}">
<section id="about"><h1>${info.title}</h1>
<div class="prose lead">${prose(info.description)}</div>
<dl class="facts"><div><dt>Base URL</dt><dd><code>${servers[0]?.url}</code></dd></div>
<div><dt>Description</dt><dd><a href="${documentUrl}">OpenAPI ${document.openapi}</a></dd></div>
<div><dt>Errors</dt><dd><a href="${page.problems}">Problems of this API</a> (RFC 9457)</dd></div></dl>
<noscript><p class="notice">Everything can be read without JavaScript. Trying operations out needs it.</p></noscript>
</section>
${groups.map((group) => groupView(group, page))}
<p class="notice" id="nothing" hidden>No operation matches.</p>
</main>
</div>
${credentialsView(page)}`,
  })
}

interface Group {
  name: string
  id: string
  description: string
  operations: Shown[]
}

function groupByTag({ tags, paths }: OpenApiDocument): Group[] {
  const all = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): Shown => ({ method: method.toUpperCase(), path, operation })),
  )
  return tags.map(({ name, description }) => ({
    name,
    id: `tag-${name.toLowerCase().replaceAll(/\W+/g, '-')}`,
    description,
    operations: all.filter(({ operation }) => operation.tags.includes(name)),
  }))
}

function navigationView({ name, id, operations }: Group): Html {
  return markup`<section data-group="${id}"><p class="group-name"><a href="#${id}">${name}</a></p><ul>${operations.map(
    ({ method, path, operation: { operationId, summary, deprecated } }) =>
      markup`<li data-entry="${operationId}" data-words="${`${method} ${path} ${summary} ${operationId}`.toLowerCase()}"><a href="#${operationId}"><span class="method ${method.toLowerCase()}">${method}</span> <span>${summary}</span>${deprecated && markup` <span class="rule">${path.split('/')[1]}</span>`}</a></li>`,
  )}</ul></section>`
}

function groupView({ name, id, description, operations }: Group, { document, problems }: ReferencePage): Html {
  return markup`<section class="group" id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name}</h2>
<div class="prose">${prose(description)}</div>
${operations.map((shown) => operationView(shown, { document, problems }))}</section>`
}

/** Signing in and keys, in a dialog that the script opens. */
function credentialsView({ document, signIn }: ReferencePage): Content {
  const schemes = document.components.securitySchemes ?? {}
  const keys = Object.values(schemes).some(({ type }) => type === 'apiKey')
  return markup`<dialog id="credentials" aria-labelledby="credentials-title"${signIn && markup` data-sign-in="${signIn}"`}>
<div class="bar"><h2 id="credentials-title">Credentials</h2><button type="button" class="plain" data-close>Close</button></div>
<p>They stay in the memory of this tab, and are gone when it is closed or loaded again.</p>
<section id="sign-in-part" hidden><h3>Sign in</h3>
<p>You are sent to the authorization server and come back with an access token that has the scopes your roles allow.</p>
<p id="sign-in-scopes" class="rule"></p>
<p><button type="button" class="primary" id="sign-in">Sign in</button></p></section>
${
  keys &&
  markup`<section><h3>API key</h3><form id="key-form"><p><label for="key">API key</label>
<input id="key" type="password" autocomplete="off" spellcheck="false" required></p>
<p><button type="submit">Use this key</button></p></form></section>`
}
<p class="outcome" role="alert" id="credentials-problem"></p>
<p><button type="button" class="plain" id="forget" hidden>Forget the credentials</button></p>
</dialog>`
}

export interface Shell {
  title: string
  language: string
  assets: string
  body: Html
  script?: boolean
}

/** What every page of the documentation is wrapped in. */
export function shell({ title, language, assets, body, script }: Shell): string {
  return markup`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" type="image/svg+xml" href="${assets}/mark.svg">
<link rel="stylesheet" href="${assets}/reference.css">
${script && markup`<script type="module" src="${assets}/reference.js"></script>`}
</head>
<body>
<a class="skip" href="#main">${language === 'de' ? 'Zum Inhalt' : 'Skip to the content'}</a>
${body}
</body>
</html>
`.toString()
}
