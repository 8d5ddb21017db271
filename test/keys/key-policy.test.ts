import test from 'ava'
import { keyPolicyDefaults, keyPolicyProblems, type KeyPolicy } from '../../src/keys/key-policy.ts'

const sound: KeyPolicy = { ...keyPolicyDefaults, retainSeconds: 1_209_600 }

test('the defaults are sound', (t) => {
  t.deepEqual(keyPolicyProblems(sound), [])
})

test('a key must be published for longer than max-age and two polls together', (t) => {
  const bound = sound.jwksMaxAgeSeconds + 2 * sound.pollSeconds
  t.deepEqual(keyPolicyProblems({ ...sound, publishSeconds: bound + 1 }), [])
  const [problem, ...others] = keyPolicyProblems({ ...sound, publishSeconds: bound })
  t.deepEqual(others, [])
  t.regex(
    problem ?? '',
    /KEY_PUBLISH_SECONDS, 720\) must exceed 720: .*JWKS_MAX_AGE_SECONDS, 600.*KEY_POLL_SECONDS, 60/,
  )
})

const rejects = test.macro({
  exec(t, change: Partial<KeyPolicy>, expected: RegExp) {
    const problems = keyPolicyProblems({ ...sound, ...change })
    t.is(problems.length, 1)
    t.regex(problems[0] ?? '', expected)
  },
  title: (name = '') => `refused: ${name}`,
})

test(
  'a rotation sooner than the next key can be ready',
  rejects,
  { rotationSeconds: 3599 },
  /KEY_ROTATION_SECONDS, 3599\)/,
)
test('no RS256', rejects, { algorithms: ['ES256'] }, /must include RS256/)
test('an algorithm named twice', rejects, { algorithms: ['RS256', 'RS256'] }, /twice/)
test('no polling', rejects, { pollSeconds: 0 }, /^pollSeconds must be/)
test('a duration that is no number', rejects, { retainSeconds: Number.NaN }, /^retainSeconds must be/)
