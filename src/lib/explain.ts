/**
 * An error as a person at a terminal should read it: one clear line for what they can mend, the stack for what is a bug.
 */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, port } = error as NodeJS.ErrnoException & { port?: number }
  if (code === 'EADDRINUSE') return `Port ${port} is in use by another process; stop it or set another PORT`
  if (code === 'EACCES' && port !== undefined) return `Port ${port} may not be opened by this user; set PORT above 1023`
  return isExpected(error) ? error.message : (error.stack ?? error.message)
}

const EXPECTED = new Set([
  'ConfigError',
  'DatabaseError',
  'MasterKeyError',
  'RegistryError',
  'SealError',
  'SchemaError',
  'WorkerStartError',
])

function isExpected(error: Error): boolean {
  return EXPECTED.has(error.name)
}
