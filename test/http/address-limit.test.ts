import test from 'ava'
import Koa from 'koa'
import { addressLimit } from '../../src/http/address-limit.ts'

function limited(now: () => number) {
  const app = new Koa()
  const middleware = addressLimit({ paths: new Set(['/authorize']), perMinute: 6, now })
  return async (ip: string, path = '/authorize') => {
    const ctx = app.createContext(
      { headers: {}, socket: {} } as never,
      { setHeader() {}, getHeader() {}, removeHeader() {} } as never,
    )
    Object.defineProperty(ctx, 'ip', { value: ip })
    Object.defineProperty(ctx, 'path', { value: path })
    let passed = false
    await middleware(ctx as never, () => Promise.resolve(void (passed = true)))
    return passed
  }
}

test('an address gets its burst, then what it earns back, and others are not touched', async (t) => {
  let time = 0
  const ask = limited(() => time)
  t.deepEqual(
    [await ask('192.0.2.1'), await ask('192.0.2.1'), await ask('192.0.2.1'), await ask('192.0.2.1')],
    [true, true, true, false],
  )
  t.true(await ask('192.0.2.2'))
  t.true(await ask('192.0.2.1', '/jwks'), 'other paths are free')
  time += 20_000
  t.deepEqual([await ask('192.0.2.1'), await ask('192.0.2.1')], [true, false])
})

test('all addresses of one IPv6 network share a bucket, however they are written', async (t) => {
  const ask = limited(() => 0)
  const answers = [
    await ask('2001:db8::1'),
    await ask('2001:db8::2'),
    await ask('2001:0db8:0:0:ffff::3'),
    await ask('2001:db8::4'),
  ]
  t.deepEqual(answers, [true, true, true, false])
})
