import test from 'ava'

test('takes the process with it', async () => {
  setImmediate(() => {
    throw new Error('nobody catches this')
  })
  await new Promise(() => undefined)
})
