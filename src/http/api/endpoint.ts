/** What can be told of an operation before any request: an operation of one version, made ready. */
import { fieldNames } from './fields.ts'
import { LIST_PARAMETERS } from './lists.ts'
import { CSV_TYPE, JSON_TYPE, vendorType } from './negotiation.ts'
import type { ListRules, Operation } from './operation.ts'

export interface Endpoint {
  operation: Operation
  version: number
  /** Media types of the answer, the first by default; none: the answer has no content. */
  offered: readonly string[]
  /** Names that the query may have; undefined: only the operation's schema knows. */
  parameters: ReadonlySet<string> | undefined
  /** What of them the kit itself reads. */
  reserved: ReadonlySet<string>
  /** Names for `fields`; undefined: the answer is always whole. */
  fields: ReadonlySet<string> | undefined
  /** When an answer doesn't say. */
  status: number | undefined
}

export function describeEndpoint(operation: Operation, version: number, vendor: string): Endpoint {
  const { id, query, responses, idempotent, access } = operation
  if (idempotent && access === 'public') throw new Error(`${id}: an idempotency key belongs to somebody`)
  const successes = Object.keys(responses).map(Number).filter((status) => status < 300) // prettier-ignore
  const fields = operation.method === 'GET' ? fieldsOf(operation) : undefined
  const reserved = new Set(['version', ...listParameters(operation.list), ...(fields ? ['fields'] : [])])
  const filters = query ? fieldNames(query, 'in') : new Set<string>()
  return {
    operation,
    version,
    offered: offeredTypes(operation, successes, vendorType(vendor, version)),
    parameters: filters && new Set([...reserved, ...filters]),
    reserved,
    fields,
    status: successes.length === 1 ? successes[0] : undefined,
  }
}

function listParameters(list: ListRules | undefined): readonly string[] {
  if (!list) return []
  return LIST_PARAMETERS.filter(
    (name) =>
      (name !== 'page' || list.paging.includes('offset')) && (name !== 'cursor' || list.paging.includes('cursor')),
  )
}

function fieldsOf({ responses }: Operation): ReadonlySet<string> | undefined {
  const rules = responses[200]
  return rules?.schema && !rules.mediaType ? fieldNames(rules.schema) : undefined
}

function offeredTypes(operation: Operation, successes: readonly number[], vendor: string): readonly string[] {
  const rules = successes.map((status) => operation.responses[status]!)
  const own = rules.flatMap(({ mediaType }) => mediaType ?? [])
  if (own.length > 0) return own
  if (operation.list) return [JSON_TYPE, vendor, ...(operation.list.csv ? [CSV_TYPE] : [])]
  const streams = rules.flatMap(({ stream }) => stream ?? [])
  return rules.some(({ schema }) => schema) ? [JSON_TYPE, vendor, ...streams] : []
}
