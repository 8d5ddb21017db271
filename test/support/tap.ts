/** Reads ava's TAP: counts, prints what failed with its details, why what was skipped was skipped, and what tests want shown. */

export interface Counts {
  passed: number
  failed: number
  skipped: number
}

export interface Tally {
  read(line: string): void
  readonly failed: number
  /** Closes the last result. `brokenOff`, a reason, adds the failure of the run itself. */
  end(run?: { brokenOff?: string | undefined }): Counts
}

interface Result {
  outcome: 'passed' | 'failed' | 'skipped'
  title: string
  details: string[]
}

const LINE = /^(not )?ok \d+ - (.*?)(?: # (SKIP|TODO)\b.*)?$/
/** What `skip` of support/skip.ts logs: ava itself can't skip a test that is already running. */
const SKIP_NOTE = /^#\s+skipped: (.+)$/
/** What `t.log('shown: …')` logs: figures and tables that a reader of the run wants to see, with the lines that follow. */
const SHOWN_NOTE = /^#\s+shown: /

export function createTally(print: (line: string) => void = console.log): Tally {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  let current: Result | undefined
  let last = 'the start'

  function close(): void {
    if (!current) return
    const { outcome, title, details } = current
    last = `"${title}"`
    const note = details.map((line) => SKIP_NOTE.exec(line)?.[1]).find(Boolean)
    const final = outcome === 'passed' && note ? 'skipped' : outcome
    counts[final] += 1
    if (final === 'failed') for (const line of [`failed: ${title}`, ...details, '']) print(line)
    if (final === 'passed') for (const line of shown(details)) print(line)
    if (final === 'skipped') print(`skipped: ${title}${note ? ` (${note})` : ''}`)
    current = undefined
  }

  return {
    get failed() {
      return counts.failed + (current?.outcome === 'failed' ? 1 : 0)
    },
    read(line) {
      const match = LINE.exec(line)
      if (!match) return void (isDetail(line) && current?.details.push(line))
      close()
      const [, bad, title = '', directive] = match
      current = { outcome: directive ? 'skipped' : bad ? 'failed' : 'passed', title, details: [] }
    },
    end({ brokenOff } = {}) {
      close()
      if (brokenOff) {
        print(`failed: the run broke off after ${last} (${brokenOff})`)
        counts.failed += 1
      }
      return counts
    },
  }
}

function shown(details: readonly string[]): string[] {
  const start = details.findIndex((line) => SHOWN_NOTE.test(line))
  if (start < 0) return []
  return details.slice(start).flatMap((line) => (line.startsWith('#') ? [line.replace(SHOWN_NOTE, '# ')] : []))
}

function isDetail(line: string): boolean {
  return !/^(TAP version|\d+\.\.\d+|# (tests|pass|fail|skip|todo) \d+)/.test(line) && line.trim() !== ''
}
