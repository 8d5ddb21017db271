/** Who asks for nothing pays for nothing: neither library is loaded, nobody watches the database. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { bareEnvironment } from '../support/environment.ts'

const ROOT = join(import.meta.dirname, '..', '..')

test('a server without METRICS_PORT and collector loads neither the library of metrics nor that of traces', async (t) => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
    await import('./src/server.ts')
    const { createTelemetry } = await import('./src/composition/telemetry.ts')
    const { metrics, tracing } = await createTelemetry({}, undefined)
    const named = (text) => loaded.some((url) => url.includes(text))
    process.stdout.write(JSON.stringify({
      isOn: metrics.isOn, tracing: tracing !== undefined, koa: named('/koa/'),
      prometheus: named('/prom-client/'), opentelemetry: named('/@opentelemetry/'),
    }))`
  const options = { cwd: ROOT, env: bareEnvironment }
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], options)
  const expected = { isOn: false, tracing: false, koa: true, prometheus: false, opentelemetry: false }
  t.deepEqual(JSON.parse(stdout), expected)
})
