/** How a declaration differs from what there is, and the registry's verbs that close the gap. */
import { isDeepStrictEqual } from 'node:util'
import type { Knex } from 'knex'
import type { Origin } from '../lib/actor.ts'
import { hasSecret } from '../registry/clients/client.ts'
import { createClient } from '../registry/clients/create.ts'
import { deleteClient } from '../registry/clients/delete.ts'
import { disableClient, enableClient } from '../registry/clients/disable.ts'
import { updateClient } from '../registry/clients/update.ts'
import { createResource } from '../registry/resources/create.ts'
import { deleteResource } from '../registry/resources/delete.ts'
import { updateResource } from '../registry/resources/update.ts'
import type { Desired, DesiredClient, DesiredResource } from './check.ts'
import {
  isDeclarableClient,
  isDeclarableResource,
  stateClient,
  stateOfClient,
  stateResource,
  type State,
} from './state.ts'

/** By name, as in the file. */
export type FieldChanges = Record<string, { before: unknown; after: unknown }>

export interface Change {
  action: 'create' | 'update' | 'delete'
  kind: 'resource' | 'client'
  /** null: it gets one when it is made. */
  id: string | null
  /** What people know it by: a resource's audience, a client's name. */
  label: string
  /** Those that change; of what is made, all; of what goes, none. */
  fields: FieldChanges
}

export interface MadeSecret {
  client_id: string
  name: string
  client_secret: string
}

export interface Step {
  change: Change
  run: (trx: Knex, actor: Origin) => Promise<{ id: string; secret?: MadeSecret | undefined }>
}

export interface Difference {
  /** In the order in which they can be taken. */
  steps: Step[]
  unchanged: number
}

/** @param prune whether what the file's lists leave out goes; of what the file has no list at all, nothing does */
export function differenceOf({ resources, clients }: Desired, state: State, { prune }: { prune: boolean }): Difference {
  const wanted = [...(resources ?? []).map(resourceStep), ...(clients ?? []).map(clientStep)]
  // First what clients need, then clients, then what none of them needs any more.
  const steps = [
    ...wanted.filter((step) => step !== undefined),
    ...(prune ? removals({ resources, clients }, state) : []),
  ]
  return { steps, unchanged: wanted.filter((step) => step === undefined).length }
}

function resourceStep({ audience, settings, existing }: DesiredResource): Step | undefined {
  const after = stateResource(audience, settings)
  if (!existing) {
    return {
      change: { action: 'create', kind: 'resource', id: null, label: audience, fields: changedFields({}, after) },
      run: (trx, actor) => createResource(trx, { ...settings, audience, actor }),
    }
  }
  const fields = changedFields(stateResource(existing.audience, existing), after)
  if (Object.keys(fields).length === 0) return undefined
  const { id, version } = existing
  return {
    change: { action: 'update', kind: 'resource', id, label: audience, fields },
    run: (trx, actor) => updateResource(trx, id, settings, { actor, ifVersion: version }),
  }
}

function clientStep(desired: DesiredClient): Step | undefined {
  const { existing, settings } = desired
  const disabled = desired.disabled ?? (existing ? existing.disabledAt !== null : false)
  const after = stateClient({ ...desired, id: existing?.id ?? desired.id, disabled })
  const label = settings.name
  if (!existing) {
    const change: Change = {
      action: 'create',
      kind: 'client',
      id: desired.id ?? null,
      label,
      fields: changedFields({}, after),
    }
    return { change, run: (trx, actor) => makeClient(trx, desired, actor) }
  }
  const fields = changedFields(stateOfClient(existing), after)
  if (Object.keys(fields).length === 0) return undefined
  const change: Change = { action: 'update', kind: 'client', id: existing.id, label, fields }
  return { change, run: (trx, actor) => changeClient(trx, existing.id, { ...desired, disabled }, fields, actor) }
}

async function makeClient(trx: Knex, { id, kind, settings, access, disabled }: DesiredClient, actor: Origin) {
  const { client, secret } = await createClient(trx, {
    ...settings,
    id,
    kind,
    access: requestsOf(access),
    // The check has judged the address already, with the file's line at hand.
    allowPrivate: true,
    actor,
  })
  if (disabled) await disableClient(trx, client.id, { actor })
  const made = secret !== undefined && hasSecret(settings.tokenEndpointAuthMethod)
  return {
    id: client.id,
    secret: made ? { client_id: client.id, name: client.name, client_secret: secret } : undefined,
  }
}

async function changeClient(
  trx: Knex,
  id: string,
  { settings, access, disabled, existing }: DesiredClient,
  fields: FieldChanges,
  actor: Origin,
) {
  const change = { ...settings, access: requestsOf(access) }
  await updateClient(trx, id, change, { actor, ifVersion: existing?.version, allowPrivate: true })
  if ('disabled' in fields) await (disabled ? disableClient : enableClient)(trx, id, { actor })
  return { id }
}

function requestsOf(access: DesiredClient['access']) {
  return access.map(({ audience, scopes }) => ({ resource: audience, scopes }))
}

function removals({ resources, clients }: Desired, state: State): Step[] {
  const keptClients = new Set(clients?.map(({ existing }) => existing?.id))
  const keptResources = new Set(resources?.map(({ existing }) => existing?.id))
  const doomedClients = clients
    ? state.clients.filter((each) => isDeclarableClient(each) && !keptClients.has(each.id))
    : []
  const doomedResources = resources
    ? state.resources.filter((each) => isDeclarableResource(each) && !keptResources.has(each.id))
    : []
  return [
    ...doomedClients.map(({ id, name, version }) =>
      removal('client', id, name, (trx, actor) => deleteClient(trx, id, { actor, ifVersion: version })),
    ),
    ...doomedResources.map(({ id, audience, version }) =>
      removal('resource', id, audience, (trx, actor) => deleteResource(trx, id, { actor, ifVersion: version })),
    ),
  ]
}

function removal(
  kind: Change['kind'],
  id: string,
  label: string,
  remove: (trx: Knex, actor: Origin) => Promise<unknown>,
): Step {
  return {
    change: { action: 'delete', kind, id, label, fields: {} },
    run: async (trx, actor) => {
      await remove(trx, actor)
      return { id }
    },
  }
}

function changedFields(before: object, after: object): FieldChanges {
  const old = before as Record<string, unknown>
  const changed = Object.entries(after).filter(([name, value]) => {
    return name !== 'id' && name !== 'kind' && name !== 'audience' && !isDeepStrictEqual(old[name], value)
  })
  return Object.fromEntries(
    changed.map(([name, value]) => [name, { before: old[name] ?? null, after: value as unknown }]),
  )
}
