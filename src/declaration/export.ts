import type { Knex } from 'knex'
import { Document } from 'yaml'
import type { Declaration, DeclaredClient, DeclaredResource } from './declaration.ts'
import { isDeclarableClient, isDeclarableResource, readState, stateOfClient, stateResource } from './state.ts'

/**
 * All resources and clients as a declaration: applied to this server it changes nothing, to an empty one it makes the same.
 * No secrets; not what is part of Grantry itself, nor clients that registered themselves.
 */
export async function exportDeclaration(db: Knex): Promise<Declaration> {
  // One snapshot: a client must not name a scope that the export, a moment before, did not find.
  const { resources, clients } = await db.transaction(readState, { isolationLevel: 'repeatable read', readOnly: true })
  return {
    version: 1,
    resources: resources
      .filter(isDeclarableResource)
      .map((resource) => withoutNulls(stateResource(resource.audience, resource)) as DeclaredResource),
    clients: clients.filter(isDeclarableClient).map((client) => {
      const { disabled, ...stated } = stateOfClient(client)
      // Left out it stays as it is: a file from before must not open what was shut since.
      return { ...stated, ...(disabled && { disabled }) } as DeclaredClient
    }),
  }
}

/** The declaration as a file: the same text for the same things, so that its history shows what changed. */
export function toYaml(declaration: Declaration, comment: string): string {
  const document = new Document(declaration, { aliasDuplicateObjects: false })
  document.commentBefore = ` ${comment}`
  return document.toString({ lineWidth: 0 })
}

function withoutNulls<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutNulls) as T
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([, field]) => field !== null)
  return Object.fromEntries(kept.map(([name, field]) => [name, withoutNulls(field as unknown)])) as T
}
