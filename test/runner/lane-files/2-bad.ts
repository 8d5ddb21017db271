import test from 'ava'

test('same title', (t) => t.is(typeof t.context, 'string', 'wrong on purpose'))
