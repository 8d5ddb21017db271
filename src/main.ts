/** The server process: the code that was compiled before → environment → configuration → server → signals. */
import { readEnvFile } from './config/env-file.ts'
import { explain } from './lib/explain.ts'
import { useCompiledCode } from './workers/compiled-code.ts'

if (process.argv[1] === import.meta.filename) {
  useCompiledCode()
  readEnvFile()
  const { serve } = await import('./workers/serve.ts')
  serve(process.env).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${explain(error)}\n`)
      process.exit(1)
    },
  )
}
