import test from 'ava'

test('is not reached', (t) => t.pass())
