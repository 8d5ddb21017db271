/** The documents as a linter that we did not write reads them: neither errors nor warnings by its recommended rules. */
import test, { type ExecutionContext } from 'ava'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openApiDocument, type OpenApiDocument } from '../../src/http/api/openapi.ts'
import { bookshop } from './bookshop.ts'
import { managementDocument, ordersDocument } from './our-documents.ts'

const REDOCLY = join(import.meta.dirname, '../../node_modules/.bin/redocly')
const ORIGIN = 'https://auth.grantry.test'

interface Finding {
  ruleId: string
  severity: string
  message: string
  location: { pointer?: string }[]
}

/** One process for all documents: starting it takes longer than reading them. */
async function lint(t: ExecutionContext, documents: Record<string, OpenApiDocument>): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'lint-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const names = Object.keys(documents).map((name) => `${name}.json`)
  await Promise.all([
    writeFile(join(directory, 'redocly.yaml'), 'extends: [recommended]\n'),
    ...Object.entries(documents).map(([name, document]) =>
      writeFile(join(directory, `${name}.json`), JSON.stringify(document)),
    ),
  ])
  const output = await new Promise<string>((resolve) => {
    const environment = {
      PATH: process.env.PATH ?? '',
      HOME: directory,
      REDOCLY_TELEMETRY: 'off',
      REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
    }
    execFile(
      REDOCLY,
      ['lint', ...names, '--config=redocly.yaml', '--format=json', '--max-problems=1000'],
      { cwd: directory, env: environment, timeout: 60_000, maxBuffer: 32 * 1024 * 1024 },
      (_error, stdout) => resolve(stdout),
    )
  })
  // One JSON object for each document, one right after the other.
  const reports = output.split(/(?<=^\})(?=\{)/m).filter((part) => part.startsWith('{'))
  if (reports.length === 0) throw new Error(`the linter said: ${output}`)
  const problems = reports.flatMap(
    (report) => (JSON.parse(report.slice(0, report.lastIndexOf('}') + 1)) as { problems: Finding[] }).problems,
  )
  return problems.map(
    ({ ruleId, severity, message, location }) => `${severity} ${ruleId} at ${location[0]?.pointer}: ${message}`,
  )
}

test('the linter finds nothing in the documents of the management API and the orders API', async (t) => {
  const [management, orders] = await Promise.all([managementDocument(t, ORIGIN), ordersDocument(t, ORIGIN)])
  t.true(Object.keys(management.paths).length > 10)
  t.true(Object.keys(orders.paths).length > 3)
  t.deepEqual(await lint(t, { management, orders, bookshop: openApiDocument(bookshop(ORIGIN)) }), [])
})

test('the linter does find what is wrong', async (t) => {
  const document = openApiDocument(bookshop(ORIGIN))
  const broken = { ...document, info: { title: 'x', version: '1', description: '' }, servers: [] }
  t.true((await lint(t, { broken })).length > 0)
})
