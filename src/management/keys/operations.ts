/** Operations on signing keys, which turn over on their own. Private halves never come near here. */
import { operation, type Call, type Operation } from '../../http/api/operation.ts'
import type { Database } from '../../database/connect.ts'
import type { KeyPolicy } from '../../keys/key-policy.ts'
import { presentKey } from '../../keys/present.ts'
import { listKeys } from '../../keys/queries.ts'
import { revokeKey } from '../../keys/revoke.ts'
import type { KeyRing } from '../../keys/ring.ts'
import { rotateKeys, type Rotation } from '../../keys/rotate.ts'
import type { PublishedKey } from '../../keys/signing-key.ts'
import type { MasterKeys } from '../../lib/master-key.ts'
import { linkTo } from '../links.ts'
import { pageOf } from '../page-of.ts'
import { problem } from '../problems.ts'
import {
  keyFilters,
  keyIdParams,
  keySchema,
  revocationSchema,
  rotationRequestSchema,
  rotationSchema,
} from './schemas.ts'

export interface KeyOperationsDependencies {
  /** Changes of keys have transactions and locks of their own, so they get the whole handle. */
  db: Database
  masterKeys: MasterKeys
  keyPolicy: KeyPolicy
  /** Read again after a change, so that this instance publishes what its answer says. */
  ring: Pick<KeyRing, 'refresh'>
  issuer: string
}

const tag = 'Signing keys'
const READ = { scope: 'keys:read' }
const WRITE = { scope: 'keys:write' }

export function keyOperations(dependencies: KeyOperationsDependencies): readonly Operation[] {
  const { issuer } = dependencies
  return [listOperation(issuer), readOperation(issuer), rotateOperation(dependencies), revokeOperation(dependencies)]
}

function listOperation(issuer: string): Operation {
  return operation({
    id: 'listKeys',
    method: 'GET',
    path: '/keys',
    tag,
    summary: 'List signing keys',
    description: 'All that are published, their public halves only.',
    access: READ,
    query: keyFilters,
    list: {
      sort: ['published_at', 'alg'],
      defaultSort: '-published_at',
      paging: ['cursor', 'offset'],
      csv: ['kid', 'alg', 'state', 'published_at', 'activated_at', 'retired_at'],
    },
    responses: { 200: { description: 'Signing keys', schema: keySchema } },
    async handle(call) {
      const { alg, state } = call.query
      const keys = (await listKeys(call.db)).filter(
        (key) => (alg === undefined || key.alg === alg) && (state === undefined || key.state === state),
      )
      const named = keys.map((key) => ({ id: key.kid, key }))
      const { items, ...rest } = pageOf(named, call.page, ({ key }, by) =>
        by === 'alg' ? key.alg : key.publishedAt.toISOString(),
      )
      return { list: { ...rest, items: items.map(({ key }) => viewKey(call, key, issuer)) } }
    },
  })
}

function readOperation(issuer: string): Operation {
  return operation({
    id: 'readKey',
    method: 'GET',
    path: '/keys/{kid}',
    tag,
    summary: 'Read a signing key',
    access: READ,
    params: keyIdParams,
    responses: { 200: { description: 'The key', schema: keySchema } },
    async handle(call) {
      const key = (await listKeys(call.db)).find(({ kid }) => kid === call.params.kid)
      if (!key) throw noSuchKey()
      return { body: viewKey(call, key, issuer) }
    },
  })
}

function rotateOperation({ db, masterKeys, keyPolicy, ring }: KeyOperationsDependencies): Operation {
  return operation({
    id: 'rotateKeys',
    method: 'POST',
    path: '/keys/rotations',
    tag,
    summary: 'Let the next keys sign now',
    description:
      'A next key that was not published for long enough waits, so that no verifier meets a key that it has not seen; where none can sign yet the answer is 409. So a repeated request does no harm, and needs no idempotency key.',
    access: WRITE,
    body: { schema: rotationRequestSchema, optional: true, examples: { one: { alg: 'ES256' } } },
    responses: { 200: { description: 'What came of it, for each algorithm', schema: rotationSchema } },
    problems: ['next-key-too-young'],
    async handle({ body, actor }) {
      const alg = body?.alg
      if (alg !== undefined && !keyPolicy.algorithms.includes(alg)) {
        const detail = `no keys are kept for ${alg}; there are ${keyPolicy.algorithms.join(', ')}`
        throw problem('invalid-request', { detail, errors: [{ pointer: '#/alg', detail }] })
      }
      const rotations = await rotateKeys(db, { ...(alg && { alg }), policy: keyPolicy, masterKeys, actor })
      requireOne(rotations)
      await ring.refresh()
      return { body: { rotations: rotations.map(presentRotation) } }
    },
  })
}

function revokeOperation({ db, masterKeys, keyPolicy, ring }: KeyOperationsDependencies): Operation {
  return operation({
    id: 'deleteKey',
    method: 'DELETE',
    path: '/keys/{kid}',
    tag,
    summary: 'Take a signing key out of use at once',
    description:
      'For the case that somebody else may hold its private half: it leaves the JWKS, and what it signed is worth nothing any more. If it was current, the next key takes over however young it is.',
    access: WRITE,
    params: keyIdParams,
    responses: { 200: { description: 'What became of it, and what breaks', schema: revocationSchema } },
    async handle({ params, actor }) {
      const revocation = await revokeKey(db, { kid: params.kid, policy: keyPolicy, masterKeys, actor })
      if (!revocation) throw noSuchKey()
      await ring.refresh()
      const { kid, alg, state, signer, acceptedUntil, refusedUntil, consequences } = revocation
      return {
        body: {
          kid,
          alg,
          state,
          signer: signer ?? null,
          accepted_until: acceptedUntil.toISOString(),
          refused_until: refusedUntil?.toISOString() ?? null,
          consequences,
        },
      }
    },
  })
}

function noSuchKey() {
  return problem('not-found', { detail: 'there is no such signing key' })
}

/** @throws Problem `next-key-too-young` when no next key could take over */
function requireOne(rotations: readonly Rotation[]): void {
  const times = rotations.flatMap((rotation) => (rotation.rotated ? [] : [rotation.possibleAt.getTime()]))
  if (times.length < rotations.length) return
  const soonest = Math.min(...times)
  const seconds = Math.max(1, Math.ceil((soonest - Date.now()) / 1000))
  throw problem('next-key-too-young', {
    detail: `the next key can sign from ${new Date(soonest).toISOString()}`,
    headers: { 'Retry-After': String(seconds) },
  })
}

function presentRotation(rotation: Rotation) {
  const { alg, rotated, kid } = rotation
  return rotated
    ? { alg, rotated, kid, retired: rotation.retired ?? null, possible_at: null }
    : { alg, rotated, kid, retired: null, possible_at: rotation.possibleAt.toISOString() }
}

function viewKey(call: Pick<Call, 'may' | 'link'>, key: PublishedKey, issuer: string): object {
  const path = `/keys/${key.kid}`
  return {
    ...presentKey(key),
    links: {
      self: linkTo(call, path),
      jwks: { href: `${issuer}/jwks` },
      ...(call.may('keys:write') && {
        ...(key.state === 'next' && { rotate: linkTo(call, '/keys/rotations', 'POST') }),
        delete: linkTo(call, path, 'DELETE'),
      }),
    },
  }
}
