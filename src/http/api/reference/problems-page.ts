/** The page to which the `type` of every problem leads, in English and German: `/problems#not-found`. */
import type { Language } from '../../language.ts'
import type { ProblemCatalogue, ProblemType } from '../../problem.ts'
import { inline, markup, type Html } from './html.ts'
import { shell } from './page.ts'

export interface ProblemsPage {
  catalogue: ProblemCatalogue
  /** Of the API. */
  title: string
  language: Language
  /** Where the style sheet is served. */
  assets: string
  /** The reference page, when there is one. */
  reference?: string | undefined
}

const WORDS = {
  en: {
    heading: 'Problems',
    lead: 'Everything that this API can refuse (RFC 9457), and what to do about it.',
    reference: 'Reference',
  },
  de: {
    heading: 'Probleme',
    lead: 'Alles, was diese API ablehnen kann (RFC 9457), und was dann zu tun ist.',
    reference: 'Referenz',
  },
} as const

export function problemsPage({ catalogue, title, language, assets, reference }: ProblemsPage): string {
  const words = WORDS[language]
  const entries = Object.entries(catalogue).sort(([, a], [, b]) => a.status - b.status)
  return shell({
    title: `${words.heading}: ${title}`,
    language,
    assets,
    body: markup`<header class="top"><p class="brand"><img src="${assets}/mark.svg" width="28" height="28" alt=""> ${title}</p>
${reference && markup`<p><a href="${reference}">${words.reference}</a></p>`}</header>
<main id="main" class="alone"><h1>${words.heading}</h1><p class="lead">${words.lead}</p>
${entries.map(([code, type]) => problemView(code, type, language))}
</main>`,
  })
}

function problemView(code: string, { status, de, ...english }: ProblemType, language: Language): Html {
  const { title, about } = language === 'de' && de ? de : english
  return markup`<section class="problem" id="${code}"${language === 'de' && !de && markup` lang="en"`}><h2>${title}</h2>
<p><span class="status">${status}</span> <code>${code}</code></p>
<p>${inline(about)}</p></section>`
}
