import type { Command } from 'commander'
import { examine } from '../doctor/doctor.ts'
import type { Finding } from '../doctor/finding.ts'
import { answering, type CommonOptions } from './command.ts'
import { UsageError, type Terminal } from './terminal.ts'

const MARKS = { ok: 'ok  ', warn: 'look', fail: 'MEND' } as const

/** Exit status 0 when nothing must be mended. The findings go to standard output, the verdict to standard error. */
export function doctorCommand(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('look at this installation and say what is wrong and how to mend it')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (...given: unknown[]) => {
      let findings: Finding[] = []
      const report = answering<CommonOptions>(
        terminal,
        async ({ config, db }) => {
          findings = await examine({ config, db, fetch })
          return { document: findings, text: findings.map(toText).join('\n') }
        },
        { schema: 'own' },
      )
      await report(...given)
      const failed = findings.filter(({ status }) => status === 'fail').length
      if (failed > 0)
        throw new UsageError(failed === 1 ? 'one thing must be mended' : `${failed} things must be mended`)
    })
}

function toText({ check, status, detail, mend }: Finding): string {
  const line = `${MARKS[status]}  ${check.padEnd(13)} ${detail}`
  return mend ? `${line}\n${' '.repeat(20)}→ ${mend}` : line
}
