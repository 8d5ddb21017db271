import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { applyDeclaration, type Applied } from '../declaration/apply.ts'
import { DeclarationError } from '../declaration/declaration.ts'
import type { Change } from '../declaration/difference.ts'
import { readDeclaration } from '../declaration/read.ts'
import { harmless, type Answer } from './answer.ts'
import { ACTOR, answering, type CommonOptions } from './command.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface ApplyOptions extends CommonOptions {
  file: string
  dryRun?: boolean
  prune?: boolean
}

const MOST_BYTES = 1024 * 1024
const MOST_MISTAKES = 50
const STORE_THEM = 'Store the secrets now: they are not shown again.'

export function applyCommand(program: Command, terminal: Terminal): void {
  program
    .command('apply')
    .description('make resources and clients what a file declares; all of it or nothing')
    .requiredOption('-f, --file <file>', 'YAML or JSON, as grantry export writes it; - for standard input')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--prune', 'delete what the lists of the file leave out')
    .option('--json', 'print one JSON document and nothing else')
    .action(
      answering(terminal, async ({ db, config }, { file, dryRun = false, prune = false }: ApplyOptions) => {
        try {
          const source = readDeclaration(await readText(file, terminal.stdin))
          const { allowPrivate } = config.webhooks
          return answerOf(await applyDeclaration(db, source, { actor: ACTOR, prune, dryRun, allowPrivate }), dryRun)
        } catch (error) {
          if (!(error instanceof DeclarationError)) throw error
          tellMistakes(error, file, terminal)
          throw new UsageError(`${error.message}, see above; nothing was changed`)
        }
      }),
    )
}

/** One line each, in the form that editors know: `file:line:column: what`. */
function tellMistakes({ mistakes }: DeclarationError, file: string, { stderr }: Terminal): void {
  const name = file === '-' ? 'standard input' : file
  for (const { line, column, path, message } of mistakes.slice(0, MOST_MISTAKES)) {
    const where = `${name}:${line}:${column}`
    stderr.write(`${harmless(`${where}: ${path === '' ? '' : `${path}: `}${message}`).replaceAll('\n', ' ')}\n`)
  }
  if (mistakes.length > MOST_MISTAKES) stderr.write(`and ${mistakes.length - MOST_MISTAKES} more\n`)
}

/** @throws UsageError when there is no such file, it is too large, or it is no UTF-8 text */
async function readText(file: string, stdin: Readable): Promise<string> {
  const stream = file === '-' ? stdin : createReadStream(file)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MOST_BYTES) throw new UsageError(`${file} is larger than ${MOST_BYTES} bytes`)
      chunks.push(chunk)
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (error) {
    if (error instanceof UsageError) throw error
    if (error instanceof TypeError) throw new UsageError(`${file} is no UTF-8 text`)
    throw new UsageError(`${file} can not be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}

function answerOf({ changes, unchanged, secrets }: Applied, dryRun: boolean): Answer {
  const count = (action: Change['action']) => changes.filter((change) => change.action === action).length
  const counts = { created: count('create'), changed: count('update'), deleted: count('delete'), unchanged }
  const told = Object.entries(counts).map(([name, number]) => `${number} ${name}`)
  const text = [
    ...changes.flatMap(changeLines),
    `${told.join(', ')}${dryRun ? '; a dry run: nothing was changed' : ''}`,
    ...secrets.flatMap(({ name, client_id, client_secret }) => [
      '',
      `name           ${name}`,
      `client_id      ${client_id}`,
      `client_secret  ${client_secret}`,
    ]),
    ...(secrets.length > 0 ? ['', STORE_THEM] : []),
  ]
  return { document: { dry_run: dryRun, ...counts, changes, secrets }, text: text.join('\n') }
}

const MARKS = { create: '+', update: '~', delete: '-' } as const

function changeLines({ action, kind, id, label, fields }: Change): string[] {
  const name = kind === 'client' && id !== null ? `${id} (${label})` : label
  const lines = Object.entries(fields).flatMap(([field, { before, after }]) => {
    if (action === 'create') return isEmpty(after) ? [] : [`    ${field}: ${shown(after)}`]
    if (Array.isArray(before) && Array.isArray(after)) return listLines(field, before, after)
    return [`    ${field}: ${shown(before)} → ${shown(after)}`]
  })
  return [`${MARKS[action]} ${kind} ${name}`, ...lines]
}

function isEmpty(value: unknown): boolean {
  return value === null || value === false || (Array.isArray(value) && value.length === 0)
}

/** What went and what came; a mere change of the order as a whole. */
function listLines(field: string, before: unknown[], after: unknown[]): string[] {
  const [old, fresh] = [before.map(shown), after.map(shown)]
  const gone = old.filter((entry) => !fresh.includes(entry)).map((entry) => `      - ${entry}`)
  const come = fresh.filter((entry) => !old.includes(entry)).map((entry) => `      + ${entry}`)
  if (gone.length + come.length === 0) return [`    ${field}: ${shown(before)} → ${shown(after)}`]
  return [`    ${field}:`, ...gone, ...come]
}

function shown(value: unknown): string {
  return JSON.stringify(value)
}
