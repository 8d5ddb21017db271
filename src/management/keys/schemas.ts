/** What signing keys look like. There is nothing private in any of it. */
import { z } from 'zod'
import { signingAlgs } from '../../keys/signing-key.ts'
import { linksSchema } from '../links.ts'
import { time } from '../schemas.ts'

const alg = z.enum(signingAlgs).describe('The algorithm that it signs with.')
const kid = z.string().describe('RFC 7638 thumbprint.')

export const keySchema = z
  .strictObject({
    id: kid,
    kid,
    alg,
    state: z
      .enum(['next', 'current', 'previous'])
      .describe('`next` is published and does not sign yet, `current` signs, `previous` is kept to verify.'),
    public_jwk: z.record(z.string(), z.string()).describe('The public half, as in the JWKS.'),
    published_at: time('When it came into the JWKS.'),
    activated_at: time('When it began to sign.').nullable(),
    retired_at: time('When it ceased to sign.').nullable(),
    links: linksSchema({
      jwks: 'The keys as verifiers read them.',
      rotate: 'Lets the next key sign now.',
      delete: 'Takes it out of use at once, as after a leak.',
    }),
  })
  .meta({ id: 'SigningKey' })

export const keyFilters = z.strictObject({
  alg: alg.optional().describe('Only keys of this algorithm.'),
  state: keySchema.shape.state.optional().describe('Only keys in this state.'),
})

export const keyIdParams = z.strictObject({ kid })

export const rotationRequestSchema = z
  .strictObject({ alg: alg.optional().describe('Left out: every algorithm that keys are kept for.') })
  .meta({ id: 'KeyRotationRequest' })

export const rotationSchema = z
  .strictObject({
    rotations: z.array(
      z
        .strictObject({
          alg,
          rotated: z.boolean().describe('false: the next key is not published for long enough.'),
          kid: kid.describe('The key that signs now.'),
          retired: kid.nullable().describe('The key that signed before; null where nothing changed.'),
          possible_at: time('From when on the next key can sign; null where it signs already.').nullable(),
        })
        .meta({ id: 'KeyRotation' }),
    ),
  })
  .meta({ id: 'KeyRotations' })

export const revocationSchema = z
  .strictObject({
    kid: kid.describe('The key that is gone.'),
    alg,
    state: keySchema.shape.state.describe('What it was.'),
    signer: kid.nullable().describe('The key that signs now.'),
    accepted_until: time('Until then a verifier that holds the JWKS may still accept what the key signed.'),
    refused_until: time('Until then some verifiers may refuse what the new key signs; null: none will.').nullable(),
    consequences: z.array(z.string()).describe('What breaks, one sentence each.'),
  })
  .meta({ id: 'KeyRevocation' })
