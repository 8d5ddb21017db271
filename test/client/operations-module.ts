/** The text of `src/client/operations.ts`, as it should be. */
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { managementDocument } from '../rest/our-documents.ts'
import type { Teardown } from '../support/database.ts'
import { operationsModule } from './generator.ts'

export const OPERATIONS_FILE = join(import.meta.dirname, '..', '..', 'src', 'client', 'operations.ts')

export async function currentOperationsModule(t: Teardown): Promise<string> {
  const document = await managementDocument(t, 'https://auth.example.com')
  return format(operationsModule(document, 1), { ...(await resolveConfig(OPERATIONS_FILE)), parser: 'typescript' })
}
