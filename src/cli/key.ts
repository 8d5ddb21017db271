import { Option, type Command } from 'commander'
import { keyPolicy } from '../config/key-policy.ts'
import { presentKey } from '../keys/present.ts'
import { listKeys } from '../keys/queries.ts'
import { revokeKey } from '../keys/revoke.ts'
import { rewrapKeys } from '../keys/rewrap.ts'
import { rotateKeys, type Rotation } from '../keys/rotate.ts'
import { signingAlgs, type PublishedKey, type SigningAlg } from '../keys/signing-key.ts'
import { record, table } from './answer.ts'
import { ACTOR, answering, verb, type CommonOptions } from './command.ts'
import { masterKeysOf } from './master-keys.ts'
import { UsageError, type Terminal } from './terminal.ts'

interface RotateOptions extends CommonOptions {
  alg?: SigningAlg
  emergency?: true
}

export function keyCommands(program: Command, terminal: Terminal): void {
  const noun = program.command('key').description('signing keys, which turn over on their own')

  verb(noun, 'list', 'all keys that are published').action(
    answering(terminal, async ({ db }) => {
      const keys = await listKeys(db.knex)
      const columns = [
        { title: 'KID', of: ({ kid }: PublishedKey) => kid },
        { title: 'ALG', of: ({ alg }: PublishedKey) => alg },
        { title: 'STATE', of: ({ state }: PublishedKey) => state },
        { title: 'PUBLISHED AT', of: ({ publishedAt }: PublishedKey) => publishedAt.toISOString() },
      ]
      return table(keys, columns, keys.map(presentKey))
    }),
  )

  verb(noun, 'rotate', 'let the next key sign now')
    .addOption(new Option('--alg <alg>', 'of one algorithm only').choices(signingAlgs))
    .option('--emergency', 'even if verifiers may not have seen it yet')
    .action(
      answering(terminal, async (session, { alg, emergency }: RotateOptions) => {
        const rotations = await rotateKeys(session.db, {
          ...(alg ? { alg } : {}),
          policy: keyPolicy(session.config),
          masterKeys: await masterKeysOf(session),
          actor: ACTOR,
          emergency: emergency ?? false,
        })
        return table(rotations, ROTATION_COLUMNS, requireRotated(rotations).map(presentRotation))
      }),
    )

  verb(noun, 'revoke <kid>', 'take a key out of use at once: what it signed is worth nothing any more').action(
    answering(terminal, async (session, _options: CommonOptions, kid = '') => {
      const masterKeys = await masterKeysOf(session)
      const policy = keyPolicy(session.config)
      const revocation = await revokeKey(session.db, { kid, policy, masterKeys, actor: ACTOR })
      if (!revocation) throw new UsageError(`there is no key ${JSON.stringify(kid)}`)
      const { alg, state, signer, acceptedUntil, refusedUntil, consequences } = revocation
      return record({
        kid,
        alg,
        revoked: true,
        state,
        signer: signer ?? null,
        accepted_until: acceptedUntil.toISOString(),
        refused_until: refusedUntil?.toISOString() ?? null,
        consequences,
      })
    }),
  )

  verb(noun, 'rewrap', 'seal everything with the first MASTER_KEY; after that the others may be dropped').action(
    answering(terminal, async (session) => {
      const { keys, webhooks } = await rewrapKeys(session.db, await masterKeysOf(session), ACTOR)
      return record({ rewrapped: keys, webhook_secrets: webhooks })
    }),
  )
}

const ROTATION_COLUMNS = [
  { title: 'ALG', of: ({ alg }: Rotation) => alg },
  { title: 'ROTATED', of: ({ rotated }: Rotation) => rotated },
  { title: 'SIGNS NOW', of: ({ kid }: Rotation) => kid },
  { title: 'POSSIBLE AT', of: (rotation: Rotation) => (rotation.rotated ? null : rotation.possibleAt.toISOString()) },
]

/** @throws UsageError when none could hand over */
function requireRotated(rotations: readonly Rotation[]): readonly Rotation[] {
  const times = rotations.map((rotation) => (rotation.rotated ? undefined : rotation.possibleAt))
  const soonest = times.every((time) => time !== undefined) && times.toSorted((a, b) => a.getTime() - b.getTime())[0]
  if (!soonest) return rotations
  throw new UsageError(
    `the next key is not published for long enough: it can sign from ${soonest.toISOString()}, or at once with --emergency (verifiers may then refuse tokens for a while)`,
  )
}

function presentRotation(rotation: Rotation) {
  const { alg, rotated, kid } = rotation
  return rotated
    ? { alg, rotated, kid, retired: rotation.retired ?? null }
    : { alg, rotated, kid, possible_at: rotation.possibleAt.toISOString() }
}
