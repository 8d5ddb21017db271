/** docs/events.md, made from the catalogue and from the values by which events are told. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { variables } from '../../src/config/variables.ts'
import { eventCatalogue, eventChannels, eventTypes, type EventType } from '../../src/events/catalogue.ts'
import { channelOf, channels, FOLLOW_SCOPE, type Channel } from '../../src/events/channels.ts'
import { closeCodes } from '../../src/events/stream/frames.ts'
import { RETRY_SECONDS } from '../../src/events/webhooks/schedule.ts'
import { FOLLOWING, INTRODUCTION, KEEPING, ORDER, webhooks } from './document-texts.ts'

export function renderDocument(): string {
  return [
    INTRODUCTION,
    '## Channels and types\n',
    `Whoever follows events needs \`${FOLLOW_SCOPE}\`, and the scope of each channel.\n`,
    ...channels.map(renderChannel),
    ORDER,
    webhooks({
      schedule: RETRY_SECONDS.map(duration),
      timeout: variables.WEBHOOK_TIMEOUT_SECONDS.unset,
      typescript: receiver('verify.ts'),
      python: receiver('verify.py'),
    }),
    FOLLOWING,
    renderCloseCodes(),
    KEEPING,
  ].join('\n')
}

function renderChannel(channel: Channel): string {
  const { about, scope } = eventChannels[channel]
  const types = eventTypes.filter((type) => channelOf(type) === channel)
  const rows = types.map((type) => `| \`${type}\` | ${cell(eventCatalogue[type].meaning)} | ${renderFacts(type)} |`)
  const head = [`### \`${channel}\``, '', `${about} Scope: \`${scope}\`.`, '']
  return [...head, '| type | what it means | `data` |', '| --- | --- | --- |', ...rows, ''].join('\n')
}

function renderFacts(type: EventType): string {
  const { properties = {}, required = [] } = z.toJSONSchema(eventCatalogue[type].data)
  const facts = Object.entries(properties).map(([name, schema]) => {
    const { description = '' } = schema as { description?: string }
    return `\`${name}\`${required.includes(name) ? '' : ' (not always)'}: ${cell(description)}`
  })
  return facts.join('<br>')
}

const CLOSES: Record<keyof typeof closeCodes, string> = {
  goingAway: 'The server stops, or something failed: come back.',
  malformed: 'A frame that is none, or a cursor that never was.',
  unauthenticated:
    'No credentials within five seconds, or they are good no more: revoked, expired, or their owner is gone.',
  forbidden: `The credentials lack \`${FOLLOW_SCOPE}\`.`,
  tooSlow: 'Events came faster than they were taken for ten seconds: go on from the last cursor.',
  historyGone: 'Events after the cursor have been swept: look at the things themselves and begin anew.',
  tooMany: 'More than 300 frames in half a minute.',
}

function renderCloseCodes(): string {
  const rows = Object.entries(closeCodes).map(
    ([name, code]) => `| ${code} | ${CLOSES[name as keyof typeof closeCodes]} |`,
  )
  const own = ['| 1009 | A frame of more than 16 KiB. |']
  return ['| close code | why |', '| --- | --- |', ...rows, ...own, ''].join('\n')
}

function receiver(name: string): string {
  return readFileSync(join(import.meta.dirname, 'receivers', name), 'utf8').trimEnd()
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`
  return seconds < 3600 ? `${seconds / 60} min` : `${seconds / 3600} h`
}
