/** The shape of the system, held against its imports: who may know whom. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import test from 'ava'

const root = join(import.meta.dirname, '..')
const src = join(root, 'src')

/** What others see of `events`. */
const RECORDS = ['events/outbox', 'events/catalogue', 'events/audit', 'events/channels']

/** Folder → the folders and files of ours that it may import. Itself is always allowed; `type:` means types only. */
const MAY_IMPORT: Record<string, string[]> = {
  lib: [],
  config: ['lib', 'type:telemetry', 'type:keys'],
  telemetry: ['lib'],
  database: ['lib', 'type:config', 'telemetry', 'migrations'],
  http: ['lib', 'telemetry', 'database'],
  outbound: ['lib'],
  events: ['lib', 'database', 'telemetry', 'outbound'],
  keys: ['lib', 'database', 'telemetry', ...RECORDS],
  registry: ['lib', 'database/batch', 'database/statement', 'type:database', 'telemetry', 'outbound', ...RECORDS],
  oidc: [
    'lib',
    'config',
    'type:outbound',
    'database/batch',
    'database/passing-fault',
    'database/statement',
    'type:database',
    'keys',
    'registry',
    ...RECORDS,
    'type:telemetry',
  ],
  interactions: ['lib', 'http', 'registry', 'type:oidc', 'database/passing-fault', 'type:database', 'type:telemetry'],
  registration: ['lib', 'http', 'registry', 'database/passing-fault', 'type:database'],
  management: ['lib', 'http', 'keys', 'registry', 'events', 'type:database'],
  'resource-server': ['lib'],
  client: ['lib'],
  workers: ['lib', 'config', 'telemetry', 'http/door', 'development', 'database/connect', 'server'],
  declaration: ['lib', 'database/transaction', 'type:database', 'registry'],
  demo: ['lib', 'http', 'telemetry', 'database', 'resource-server', 'client'],
}

/** The only folders that may import these packages. */
const PACKAGE_OWNERS: Record<string, string[]> = {
  'oidc-provider': ['oidc', 'type:interactions'],
  knex: [
    'database',
    'type:http',
    'type:registry',
    'type:keys',
    'type:events',
    'type:development',
    'type:cli',
    'type:declaration',
    'type:management',
  ],
  pg: ['database', 'type:http', 'type:registry', 'type:oidc', 'type:keys', 'type:management'],
  argon2: ['registry'],
  eta: ['interactions'],
  undici: ['outbound', 'client'],
  ws: ['events'],
  pino: ['telemetry'],
  'prom-client': ['telemetry'],
  '@opentelemetry/api': ['telemetry'],
  '@opentelemetry/context-async-hooks': ['telemetry'],
  '@opentelemetry/exporter-trace-otlp-http': ['telemetry'],
  '@opentelemetry/resources': ['telemetry'],
  '@opentelemetry/sdk-trace-base': ['telemetry'],
  '@modelcontextprotocol/server': ['demo'],
  koa: [
    'http',
    'interactions',
    'demo',
    'composition',
    'type:oidc',
    'type:management',
    'type:resource-server',
    'type:registration',
  ],
}

interface Import {
  from: string
  to: string
  typesOnly: boolean
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const imports = files.flatMap((file) => readImports(file))

function readImports(file: string): Import[] {
  const text = readFileSync(join(src, file), 'utf8')
  const found = text.matchAll(/^(import|export)(\s+type)?[\s{*][^'";]*?from\s+'([^']+)'|\bimport\('([^']+)'\)/gm)
  return [...found].map(([whole, , typeKeyword, specifier, dynamic]) => ({
    from: file,
    to: specifier ?? dynamic ?? '',
    typesOnly: Boolean(typeKeyword) || /^import\s*\{(\s*type\s+\w+( as \w+)?\s*,?)+\}\s*from/.test(whole),
  }))
}

function folderOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] ?? '') : file.replace(/\.ts$/, '')
}

function isAllowed(list: string[], path: string, typesOnly: boolean): boolean {
  return list.some((entry) => {
    const name = entry.replace('type:', '')
    return (entry.startsWith('type:') ? typesOnly : true) && (path === name || path.startsWith(`${name}/`))
  })
}

test('folders import only what the table allows', (t) => {
  const broken = imports.filter(({ from, to, typesOnly }) => {
    const allowed = MAY_IMPORT[folderOf(from)]
    if (!to.startsWith('.') || !allowed) return false
    const path = relative(src, resolve(dirname(join(src, from)), to))
      .replace(/\.ts$/, '')
      .replace(/^\.\.\//, '')
    return folderOf(path) !== folderOf(from) && !isAllowed(allowed, path, typesOnly)
  })
  t.deepEqual(broken, [])
  t.true(imports.length > 100, 'the reader of imports reads')
})

test('packages are imported only by the folder that owns them', (t) => {
  const broken = imports.filter(({ from, to, typesOnly }) => {
    const owners = PACKAGE_OWNERS[to]
    return owners && !isAllowed(owners, folderOf(from), typesOnly)
  })
  t.deepEqual(broken, [])
})

test('the nouns of the registry do not import one another', (t) => {
  const noun = (path: string) => /^registry\/([\w-]+)\//.exec(path)?.[1]
  const broken = imports.filter(({ from, to }) => {
    const own = noun(from)
    const other = to.startsWith('.') ? noun(relative(src, resolve(dirname(join(src, from)), to))) : undefined
    return own && other && own !== other
  })
  t.deepEqual(broken, [])
})

test('only the configurations read the environment, only entry points end the process', (t) => {
  const readers = files.filter((file) => /\bprocess\.env\b/.test(readFileSync(join(src, file), 'utf8')))
  const enders = files.filter((file) => /\bprocess\.exit\(/.test(readFileSync(join(src, file), 'utf8')))
  const entries = new Set(['main.ts', 'cli.ts', 'demo/main.ts', 'workers/worker.ts'])
  t.deepEqual(
    [...readers, ...enders].filter((file) => !entries.has(file)),
    [],
  )
})
