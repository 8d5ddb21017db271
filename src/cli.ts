/** The operator's process: arguments → command → exit status. */
import { runCommand } from './cli/program.ts'

// Whoever reads our output may have seen enough (`| head`): that is no fault, and nobody is left to tell.
process.stdout.on('error', () => undefined)

const { env, stdin, stdout, stderr } = process
process.exitCode = await runCommand(process.argv.slice(2), { env, stdin, stdout, stderr })
// An interrupted command may still be waiting for input that nobody needs.
stdin.destroy()
