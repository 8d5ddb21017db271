import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { exportDeclaration, toYaml } from '../declaration/export.ts'
import { answering, type CommonOptions } from './command.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface ExportOptions extends CommonOptions {
  output?: string
}

export function exportCommand(program: Command, terminal: Terminal): void {
  program
    .command('export')
    .description('all resources and clients as a file for grantry apply; without secrets')
    .option('-o, --output <file>', 'write it there instead of to standard output')
    .option('--json', 'as one JSON document, which grantry apply takes as well')
    .action(
      answering(terminal, async ({ config, db }, { output, json }: ExportOptions) => {
        const declaration = await exportDeclaration(db.knex)
        const yaml = toYaml(
          declaration,
          `Resources and clients of ${config.issuer}. Takes effect by: grantry apply -f FILE`,
        )
        if (output === undefined) return { document: declaration, text: yaml.trimEnd() }
        await write(output, json ? `${JSON.stringify(declaration, null, 2)}\n` : yaml)
        const counts = { resources: declaration.resources?.length ?? 0, clients: declaration.clients?.length ?? 0 }
        const text = `${counts.resources} resources and ${counts.clients} clients written to ${output}`
        return { document: { output, ...counts }, text }
      }),
    )
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (error) {
    throw new UsageError(`${path} can not be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}
