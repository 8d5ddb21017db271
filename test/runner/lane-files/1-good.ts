import test from 'ava'

let ready = 0
test.before(() => void (ready += 1))
test.beforeEach((t) => void (t.context = { ready }))
test.after.always('the end of it', () => undefined)

test.serial('has hooks of its own', (t) => t.deepEqual(t.context, { ready: 1 }))
test('same title', (t) => t.pass())
