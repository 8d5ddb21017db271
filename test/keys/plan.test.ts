import test from 'ava'
import { keyPolicyDefaults, lagSeconds, type KeyPolicy } from '../../src/keys/key-policy.ts'
import type { KeyState, PublishedKey, SigningAlg } from '../../src/keys/signing-key.ts'
import { planTurnOver, type PlanOptions } from '../../src/keys/turn-over.ts'

const policy: KeyPolicy = { ...keyPolicyDefaults, retainSeconds: 86_400, algorithms: ['RS256'] }
const { rotationSeconds, publishSeconds, retainSeconds } = policy
const now = new Date('2026-01-01T00:00:00Z')

/** A key by its state and the ages of what happened to it, in seconds. */
function key(state: KeyState, ages: { published: number; activated?: number; retired?: number }): PublishedKey {
  const at = (age: number): Date => new Date(now.getTime() - age * 1000)
  return {
    kid: state,
    alg: 'RS256',
    state,
    publicJwk: {},
    publishedAt: at(ages.published),
    activatedAt: ages.activated === undefined ? undefined : at(ages.activated),
    retiredAt: ages.retired === undefined ? undefined : at(ages.retired),
  }
}

const old = key('current', { published: rotationSeconds + publishSeconds, activated: rotationSeconds })
const young = key('current', { published: rotationSeconds, activated: rotationSeconds - 1 })
const ready = key('next', { published: publishSeconds })
const fresh = key('next', { published: publishSeconds - 1 })

const handOver = ['retire current', 'activate next', 'publish as next']
const force: readonly SigningAlg[] = ['RS256']

type Wish = Pick<PlanOptions, 'force' | 'emergency'>

const plans = test.macro((t, keys: PublishedKey[], expected: string[], wish: Wish) => {
  const steps = planTurnOver(keys, { policy, now, ...wish })
  const text = steps.map((step) => (step.do === 'publish' ? `publish as ${step.as}` : `${step.do} ${step.kid}`))
  t.deepEqual(text, expected)
})

test(
  'an empty database gets a current and a next key at once',
  plans,
  [],
  ['publish as current', 'publish as next'],
  {},
)
test('a current key alone gets a next one', plans, [young], ['publish as next'], {})
test('a next key alone takes over at once', plans, [fresh], ['activate next', 'publish as next'], {})
test('a young current key stays, however long the next one waits', plans, [young, ready], [], {})
test('an old current key stays until the next one was published long enough', plans, [old, fresh], [], {})
test('an old current key hands over to a next one that is ready', plans, [old, ready], handOver, {})
test('force ignores the age of the current key', plans, [young, ready], handOver, { force })
test('force does not ignore how long the next key was published', plans, [young, fresh], [], { force })
test('an emergency does', plans, [young, fresh], handOver, { force, emergency: true })
test('an emergency that was forced for no algorithm changes nothing', plans, [young, fresh], [], { emergency: true })

const lastMoment = retainSeconds + lagSeconds(policy)
const kept = key('previous', { published: 9e6, activated: 8e6, retired: lastMoment - 1 })
const over = key('previous', { published: 9e6, activated: 8e6, retired: lastMoment })
test('a retired key stays while a token that it signed may live', plans, [young, fresh, kept], [], {})
test('a retired key goes once no token that it signed can live', plans, [young, fresh, over], ['remove previous'], {})

const dropped = (each: PublishedKey): PublishedKey => ({ ...each, alg: 'ES256' })
test('an algorithm dropped from the policy signs on', plans, [young, fresh, dropped(young), dropped(fresh)], [], {})
test(
  '… until its key is old, and gets no successor',
  plans,
  [young, fresh, dropped(old), dropped(ready)],
  ['retire current', 'remove next'],
  {},
)
