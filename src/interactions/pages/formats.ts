import { html, type Html } from './html.ts'
import type { Locale } from './locale.ts'

/** Durations and times in the words of one language. */
export interface Formats {
  /** "90 days", "1 hour, 30 minutes": the two largest units that matter. */
  duration(seconds: number): string
  /** "in 30 seconds": a wait, rounded up. */
  wait(seconds: number): string
  /** "22 November 2026, 14:03 UTC" in a `<time>`. The server cannot know the reader's time zone, so it names its own. */
  moment(date: Date): Html
  /** "22 November 2026" in a `<time>`. */
  day(date: Date): Html
  /** "3 hours ago" in a `<time>`; anything within the last minute, or in the future by a clock that runs ahead, is `justNow`. */
  ago(date: Date, now: Date, justNow: string): Html
}

type Unit = 'day' | 'hour' | 'minute' | 'second'

const UNITS: readonly [Unit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]

const AGO: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

// Bare `en` writes dates the American way round; day before month is read the same everywhere.
const TAGS: Record<Locale, string> = { en: 'en-GB', de: 'de-DE' }

/** Builds the formatters of a language once; each costs far more to make than to use. */
export function createFormats(locale: Locale): Formats {
  const tag = TAGS[locale]
  const numbers = new Map(
    UNITS.map(([unit]) => [unit, new Intl.NumberFormat(tag, { style: 'unit', unit, unitDisplay: 'long' })]),
  )
  const list = new Intl.ListFormat(tag, { type: 'unit', style: 'long' })
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: 'auto' })
  const day = new Intl.DateTimeFormat(tag, { dateStyle: 'long', timeZone: 'UTC' })
  const clock = new Intl.DateTimeFormat(tag, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: 'UTC' })

  return {
    duration: (seconds) =>
      list.format(largestUnits(seconds).map(([unit, count]) => numbers.get(unit)?.format(count) ?? '')),
    wait(seconds) {
      const [unit, size] = UNITS.find(([, length]) => seconds >= 2 * length) ?? (['second', 1] as const)
      return relative.format(Math.max(1, Math.ceil(seconds / size)), unit)
    },
    moment: (date) =>
      html`<time datetime="${date.toISOString()}">${day.format(date)}, ${clock.format(date)} UTC</time>`,
    day: (date) => html`<time datetime="${date.toISOString()}">${day.format(date)}</time>`,
    ago(date, now, justNow) {
      const seconds = (now.getTime() - date.getTime()) / 1000
      const [unit, size] = AGO.find(([, length]) => seconds >= length) ?? [undefined, 1]
      const words = unit === undefined ? justNow : relative.format(-Math.floor(seconds / size), unit)
      return html`<time datetime="${date.toISOString()}">${words}</time>`
    },
  }
}

function largestUnits(seconds: number): [Unit, number][] {
  let rest = Math.max(0, Math.round(seconds))
  const counts: [Unit, number][] = []
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length)
    rest -= count * length
    if (count > 0) counts.push([unit, count])
  }
  return counts.length > 0 ? counts.slice(0, 2) : [['second', 0]]
}
