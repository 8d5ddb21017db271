/** The operator's process: arguments → command → exit status. */
import { readEnvFile } from './config/env-file.ts'
import { runCommand } from './cli/program.ts'

// Whoever reads our output may have seen enough (`| head`): that is no fault, and nobody is left to tell.
process.stdout.on('error', () => undefined)

readEnvFile()
const { env, stdin, stdout, stderr } = process
process.exitCode = await runCommand(process.argv.slice(2), { env, stdin, stdout, stderr })
// An interrupted command may still be waiting for input that nobody needs.
stdin.destroy()
