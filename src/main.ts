/** The server process: environment → configuration → server → signals. */
import { readEnvFile } from './config/env-file.ts'
import { explain } from './lib/explain.ts'
import { serve } from './workers/serve.ts'

if (process.argv[1] === import.meta.filename) {
  readEnvFile()
  serve(process.env).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${explain(error)}\n`)
      process.exit(1)
    },
  )
}
