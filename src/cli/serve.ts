import type { Command } from 'commander'
import { useCompiledCode } from '../workers/compiled-code.ts'
import type { Terminal } from './terminal.ts'

export function serveCommand(program: Command, terminal: Terminal): void {
  program
    .command('serve')
    .description('run the server until Ctrl-C')
    .action(async () => {
      // The server is most of the code; no other command needs it.
      useCompiledCode()
      const { serve } = await import('../workers/serve.ts')
      await serve(terminal.env)
    })
}
