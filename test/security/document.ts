/** docs/security.md and its picture, made from the clauses and from where the tests that they name stand. */
import { variables } from '../../src/config/variables.ts'
import type { Chapter, Clause } from './clause.ts'
import { conformance } from './conformance.ts'
import { hardenings } from './hardening.ts'
import { standards, type Standard } from './standards.ts'
import { readTestTitles } from './test-titles.ts'
import { boundaries, loots } from './threats.ts'

export const STATES = ['met', 'not applicable', 'not yet'] as const

export type Counts = Record<Clause['state'], number>

export function count(clauses: readonly Clause[]): Counts {
  const counts: Counts = { met: 0, 'not applicable': 0, 'not yet': 0 }
  for (const { state } of clauses) counts[state] += 1
  return counts
}

const COMMAND = 'npm run docs:security'

const INTRODUCTION = `# Security notes

What Grantry is held against, and how it stands, clause by clause. Every clause says in our words what a standard asks. *Met* names the tests that fail when it no longer holds; *not applicable* gives the reason; *not yet* says what is missing. Numbers and levels are those of the standards: read the original before you rely on one.

\`${COMMAND}\` writes this file from \`test/security/\`, and a test fails when it is out of date, when a test that it names is gone, or when a clause was left out. In titles, … stands for each entry of a list. A test shows what it tries and nothing else; nobody outside the project has examined Grantry yet. What you find, report as [SECURITY.md](../SECURITY.md) says.

![Clauses met, not applicable and not yet, by chapter](security.svg)
`

const CONFORMANCE = `# Conformance

How Grantry stands to the profiles that it is built to, clause by clause. Every clause says in our words what is asked. *Met* names the tests that fail when it no longer holds; *not applicable* gives the reason; *not yet* says what is missing. Read the original before you rely on one. No certification has been applied for.

\`${COMMAND}\` writes this file from \`test/security/\`, and a test fails when it is out of date, when a test that it names is gone, or when a clause was left out. In titles, … stands for each entry of a list. What is advertised in the metadata documents is proved value by value in [flows/discovery](../test/flows/discovery.test.ts).
`

const GUESSING = `## How guessing is slowed

- **By account**: five failures are free. After that each failure blocks the account, for 2, 4, 8 … seconds, five minutes at most. While a block lasts nothing is looked at, the right password neither, and nothing is counted, so knocking prolongs nothing. A success, or a quarter of an hour of quiet, forgets all. What was typed is the key, so an account that does not exist is slowed like one that does.
- **By address**: the same after fifty failures, one of which is forgotten every 18 seconds. An IPv6 network of 64 bits is one address. \`TRUST_PROXY\` decides whose address that is.
- **By work**: each process looks at half as many passwords at a time as there are processors (one at least, four at most) and lets 64 wait; whoever comes then is asked to come again (503) and has failed nothing.
- **Before all that**: an address may begin ${variables.AUTHORIZATIONS_PER_MINUTE.unset} sign-ins a minute on each instance, half of them at once (\`AUTHORIZATIONS_PER_MINUTE\`).

The first two are counted in the database, by all instances together and before the password is looked at; their numbers are no settings. They hold for the account page too, where it asks for the present password, and in the same way for the codes that devices show: five wrong ones in a browser session (or by a person who is signed in) and twenty from an address are free, one of which is forgotten every 30 seconds. Nobody is shut out for good: whoever guesses at an account without rest makes its owner wait, five minutes at a time, and a browser that is signed in goes on. There are neither CAPTCHAs nor remembered devices.
`

const WORDS = `## Words that no password may hold

\`grantry\`; the username; the e-mail address and the parts of it; the name and the parts of it: each from four letters on, in any case, with accents or without, and with digits and signs for letters. Words of your own organisation can not be added yet.
`

const SESSIONS = `## Sessions

| what | ends unused after | ends in any case after |
| --- | --- | --- |
| a browser session | ${variables.SESSION_IDLE_SECONDS.unset} | ${variables.SESSION_ABSOLUTE_SECONDS.unset} |
| a token family of a native app, or of a web app with \`offline_access\` | ${variables.REFRESH_IDLE_SECONDS.unset} | ${variables.REFRESH_ABSOLUTE_SECONDS.unset} |
| a token family of another app | with its browser session | with its browser session |
| an access token | | ${variables.ACCESS_TOKEN_SECONDS.unset} |

Seconds, as the settings \`SESSION_…\`, \`REFRESH_…\` and \`ACCESS_TOKEN_SECONDS\` have them by default. NIST SP 800-63B advises a new sign-in after 30 days at most where a password is enough; we end sooner, because one session opens every app of the house. More than a password is not claimed.

A person may have any number of sessions; none is pushed out by another. All stand on the account page, where each can be ended. Sign-out, a password change, disabling and deleting end them with all tokens that hang on them, in one transaction, on every instance. What apps keep for themselves is theirs: an app that wants to know asks for a refresh or for introspection, or for a recent sign-in with \`max_age\`. A web or single-page app with a \`backchannel_logout_uri\` is told when its session is ended by anybody, though not when it merely runs out.
`

const BROWSERS = `## What browsers must be able to do

| what | for | without it |
| --- | --- | --- |
| TLS, cookies | everything | No sign-in. A page says that it is not valid in this browser. |
| Strict-Transport-Security | staying on TLS | Passwords are as safe as the address that people type; let the proxy send http on to https. |
| \`__Host-\`, \`__Secure-\` | cookies that no other host can plant | The cookies are signed, and an id from before the sign-in opens nothing after it. |
| SameSite, Fetch Metadata | refusing other sites’ forms | Origin is looked at, and every form has a token of its own. |
| Content-Security-Policy | nothing foreign runs, loads or frames | Pages hold no script and escape everything; X-Frame-Options is sent besides. |
| Referrer-Policy | addresses stay here | Pages load nothing from elsewhere; codes are used up by then, and need their verifier. |

No script is needed. Any other browser is neither warned nor turned away.
`

/** The whole document. @throws Error when a test that is named is not there */
export function renderDocument(): string {
  const refer = createReferences()
  return [
    INTRODUCTION,
    renderCounts(standards),
    renderTable(
      '## What is believed',
      ['between', 'rule', 'tests'],
      boundaries.map(({ between, rule, tests }) => [between, rule, refer(tests)]),
    ),
    renderTable(
      '## What somebody gets who has …',
      ['what', 'gets', 'does not get', 'tests'],
      loots.map(({ what, gets, not, tests }) => [what, gets, not, refer(tests)]),
    ),
    GUESSING,
    WORDS,
    SESSIONS,
    BROWSERS,
    renderTable(
      '## What was attacked',
      ['what', 'how', 'among the tests'],
      hardenings.map(({ what, how, tests }) => [what, how, refer(tests)]),
    ),
    ...renderStandards(standards, refer),
  ].join('\n')
}

/** docs/conformance.md. @throws Error when a test that is named is not there */
export function renderConformance(): string {
  return [CONFORMANCE, renderCounts(conformance), ...renderStandards(conformance, createReferences())].join('\n')
}

function renderStandards(walked: readonly Standard[], refer: Refer): string[] {
  return walked.flatMap(({ name, title, about, chapters }) => [
    `## ${title}\n\n${about}\n`,
    ...chapters.map((chapter) => renderChapter(name, chapter, refer)),
  ])
}

type Refer = (titles: readonly string[] | undefined) => string

/** Each test by its title, under the file in which it stands. */
function createReferences(): Refer {
  const places = readTestTitles()
  return (titles = []) => {
    const byFile = Map.groupBy(titles, (title) => {
      const [file, ...others] = places.get(title) ?? []
      if (file === undefined || others.length > 0) throw new Error(`no test, or more than one, is called: ${title}`)
      return file
    })
    const lines = [...byFile].map(([file, own]) => {
      const link = `[${file.replace('.test.ts', '')}](../test/${file})`
      return `${link} ${own.map((title) => `“${plain(title)}”`).join(', ')}`
    })
    return lines.join('<br>')
  }
}

/** A title as text: what fills the gaps of a template is an ellipsis, and nothing in it is markup. */
function plain(title: string): string {
  return title.replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/[\\`*_[\]<>|]/g, String.raw`\$&`)
}

function renderTable(heading: string, columns: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [heading, '', line(columns), line(columns.map(() => '---')), ...rows.map(line), ''].join('\n')
}

function renderCounts(walked: readonly Standard[]): string {
  const rows = walked.flatMap(({ title, chapters }) =>
    chapters.map(({ name, title: subject, clauses }) => {
      const counts = count(clauses)
      return [`${title} ${name}`, subject, String(clauses.length), ...STATES.map((state) => String(counts[state]))]
    }),
  )
  return renderTable('', ['', '', 'clauses', ...STATES], rows).trimStart()
}

function renderChapter(standard: string, { name, title, clauses }: Chapter, refer: Refer): string {
  const counts = count(clauses)
  const summary = STATES.map((state) => `${counts[state]} ${state}`).join(', ')
  const leveled = clauses.some(({ level }) => level !== undefined)
  const rows = clauses.map(({ id, level, says, state, tests, note }) => [
    id.slice(standard.length + 1),
    ...(leveled ? [String(level ?? '')] : []),
    says,
    state,
    [note, refer(tests)].filter(Boolean).join('<br>'),
  ])
  const columns = ['', ...(leveled ? ['level'] : []), 'what is asked', 'state', 'why, and by which tests']
  return renderTable(`### ${name} ${title}\n\n${clauses.length} clauses: ${summary}.`, columns, rows)
}

const BAR = { left: 250, unit: 10, height: 24, step: 40, top: 64 }
const CLASSES = { met: 'met', 'not applicable': 'none', 'not yet': 'yet' } as const

/** A bar for each chapter, its clauses as long as they are many. */
export function renderPicture(): string {
  const rows = standards.flatMap(({ title, chapters }) =>
    chapters.map((chapter) => ({ label: `${title} ${chapter.name}`, chapter, counts: count(chapter.clauses) })),
  )
  const height = BAR.top + rows.length * BAR.step + 8
  const told = rows.map(
    ({ label, counts }) => `${label}: ${STATES.map((state) => `${counts[state]} ${state}`).join(', ')}`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 ${height}" font-family="system-ui, sans-serif" font-size="14" role="img" aria-labelledby="title desc">
  <title id="title">Clauses met, not applicable and not yet, by chapter</title>
  <desc id="desc">${told.join('; ')}</desc>
  <style>
    text { fill: #14233b } .small { font-size: 12px; fill: #45556e } .number { font-size: 12px; text-anchor: middle }
    .met { fill: #2e7d4f } .none { fill: #ccd5e1 } .yet { fill: #e0993f } .on-met { fill: #fff } .on-none, .on-yet { fill: #14233b }
    @media (prefers-color-scheme: dark) {
      text { fill: #e8eef8 } .small { fill: #aebdd3 }
      .met { fill: #2e7d4f } .none { fill: #45556e } .yet { fill: #d98e34 } .on-met, .on-none { fill: #fff } .on-yet { fill: #14233b }
    }
  </style>
${[...renderLegend(), ...rows.flatMap(renderBar)].join('\n')}
</svg>
`
}

function renderLegend(): string[] {
  return STATES.map((state, index) => {
    const x = BAR.left + index * 140
    return `  <rect class="${CLASSES[state]}" x="${x}" y="18" width="16" height="16" rx="3"/><text x="${x + 24}" y="31">${state}</text>`
  })
}

function renderBar(
  { label, chapter, counts }: { label: string; chapter: Chapter; counts: Counts },
  row: number,
): string[] {
  const y = BAR.top + row * BAR.step
  let x = BAR.left
  const segments = STATES.filter((state) => counts[state] > 0).map((state) => {
    const width = counts[state] * BAR.unit
    const drawn = `<rect class="${CLASSES[state]}" x="${x}" y="${y}" width="${width}" height="${BAR.height}"/><text class="number on-${CLASSES[state]}" x="${x + width / 2}" y="${y + 16}">${counts[state]}</text>`
    x += width
    return drawn
  })
  const name = `<text x="20" y="${y + 10}">${label}</text><text class="small" x="20" y="${y + 25}">${chapter.title}</text>`
  return [`  ${name}${segments.join('')}`]
}
