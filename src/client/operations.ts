import type { OperationFacts } from './operation.ts'

export const operations: Readonly<Record<string, OperationFacts>> = {}

export interface GrantryOperations {}
