/** Runs what the README tells a newcomer to run, beside a server started as the README says. */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { Webhook } from 'standardwebhooks'
import { startProcess } from './support/auth-server.ts'
import { freePort } from './support/free-port.ts'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, text]) => text ?? '',
  )
}

test('every command of the README works by copy and paste', async (t) => {
  t.timeout(240_000)
  const [port, demoPort, apiPort, hookPort] = await Promise.all(Array.from({ length: 4 }, () => freePort()))
  const cwd = mkdtempSync(join(tmpdir(), 'readme-'))
  const here = (text: string) =>
    text
      .replaceAll('localhost:3000', `localhost:${port}`)
      .replaceAll('localhost:4000', `localhost:${demoPort}`)
      .replaceAll('npx grantry', `node ${join(root, 'src', 'grantry.js')}`)
      .replaceAll("'grantry/client'", `'${join(root, 'src', 'client', 'index.ts')}'`)
      .replaceAll("'grantry/resource-server'", `'${join(root, 'src', 'resource-server', 'index.ts')}'`)
      .replace('.listen(5000)', `.listen(${apiPort})`)
      .replace('.listen(5001)', `.listen(${hookPort})`)
  const env = { PORT: String(port), DEMO_PORT: String(demoPort), DATA_DIR: join(cwd, 'data') }
  await startProcess(t, env)

  const outputs: string[] = []
  for (const block of blocks('sh')) {
    const shell = { cwd, env: { ...process.env, ...env } }
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', here(block)], shell)
    outputs.push(stdout)
  }
  t.is(outputs.length, 12, 'a block was added: say here what it should print')
  const [called, refused, registered, device, exchanging, listed, clients, changed, events, bulk, mcp, secrets] =
    outputs
  t.regex(called ?? '', /^HTTP\/1\.1 200 /)
  t.regex(refused ?? '', /^HTTP\/1\.1 401 [\s\S]*www-authenticate: Bearer /i)
  t.regex(registered ?? '', /cli_[a-z2-7]{26}[\s\S]*gcs_[\s\S]*usr_/)
  t.regex(device ?? '', /cli_[a-z2-7]{26}[\s\S]*device_code/)
  t.regex(exchanging ?? '', /https:\/\/search\.example\.com[\s\S]*token-exchange[\s\S]*exchange_from +https:\/\/notes/)
  t.regex(listed ?? '', /Notes backup[\s\S]*"username": "bob"[\s\S]*RS256[\s\S]*user\.created/)
  t.regex(clients ?? '', /^\{"data":\[\{"id":"cli_[\s\S]*"pagination":/)
  t.regex(changed ?? '', /"disabled":true[\s\S]*problems#precondition-failed[\s\S]*HTTP\/1\.1 204 /)
  t.regex(events ?? '', /^\{"data":\[\{"id":"evt_\d+"[\s\S]*"user\.created"[\s\S]*"cursor":"\d+"[\s\S]*whsec_/)
  t.regex(bulk ?? '', /2 created.*dry run[\s\S]*2 created, 0 changed[\s\S]*gcs_[\s\S]* written to everything\.yaml\n$/)

  t.regex(
    mcp ?? '',
    /^HTTP\/1\.1 401 [\s\S]*resource_metadata="[^"]+\/mcp", scope="orders:read"[\s\S]*"resource":"[^"]+\/mcp"[\s\S]*"client_id_metadata_document_supported":true/,
  )

  t.is(secrets, 'database-password\ndatabase-url\nmaster-key\n')

  const [program = '', sample = '', follower = '', receiver = ''] = blocks('ts')
  writeFileSync(join(cwd, 'program.ts'), here(program))
  const { stdout } = await promisify(execFile)(process.execPath, ['program.ts'], { cwd })
  t.regex(stdout, /^bob may sign in$/m)
  writeFileSync(join(cwd, 'follower.ts'), here(follower))
  const { stdout: followed } = await promisify(execFile)(process.execPath, ['follower.ts'], { cwd })
  t.regex(followed, /^\d+: user\.created usr_[a-z2-7]{26}\n.* knows what has ended, [\d.]+ seconds ago\n$/)
  await delivers(t, { file: join(cwd, 'receiver.ts'), text: here(receiver), url: `http://localhost:${hookPort}/` })
  const file = join(cwd, 'api.ts')
  writeFileSync(file, here(sample))
  const api = spawn(process.execPath, [file], { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
  try {
    const { demo } = JSON.parse(readFileSync(join(cwd, 'data', 'first-run.json'), 'utf8')) as {
      demo: { clients: { service: { client_id: string; client_secret: string } } }
    }
    const { client_id, client_secret } = demo.clients.service
    const issued = await fetch(`http://localhost:${port}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'orders:read' }),
    })
    const { access_token } = (await issued.json()) as { access_token: string }
    const answer = await eventually(() =>
      fetch(`http://localhost:${apiPort}/`, { headers: { authorization: `Bearer ${access_token}` } }),
    )
    t.is(await answer.text(), `hello ${client_id}\n`)
    t.is((await fetch(`http://localhost:${apiPort}/`)).status, 401)
  } finally {
    api.kill()
  }
})

/** The receiver takes what is signed with one of its secrets, and nothing else. */
async function delivers(t: ExecutionContext, { file, text, url }: { file: string; text: string; url: string }) {
  writeFileSync(file, text)
  const secret = `whsec_${randomBytes(32).toString('base64')}`
  const env = { ...process.env, WEBHOOK_SECRETS: `whsec_${randomBytes(32).toString('base64')} ${secret}` }
  const receiver = spawn(process.execPath, [file], { env, stdio: 'ignore' })
  try {
    const body = JSON.stringify({
      type: 'user.created',
      timestamp: new Date().toISOString(),
      data: { subject: 'usr_1' },
    })
    const headers = {
      'webhook-id': 'evt_1',
      'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
      'webhook-signature': new Webhook(secret).sign('evt_1', new Date(), body),
    }
    const answer = await eventually(() => fetch(url, { method: 'POST', headers, body }))
    t.is(answer.status, 204)
    t.is((await fetch(url, { method: 'POST', headers, body: `${body} ` })).status, 400)
  } finally {
    receiver.kill()
  }
}

/** Until the sample listens. */
async function eventually<T>(work: () => Promise<T>, tries = 100): Promise<T> {
  for (let left = tries; ; left -= 1) {
    try {
      return await work()
    } catch (error) {
      if (left === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
