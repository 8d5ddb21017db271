/** What docs/postgresql.md and docs/operations.md say of the code, held against the code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import test from 'ava'
import { runCommand } from '../../src/cli/program.ts'
import { variables } from '../../src/config/variables.ts'

const root = join(import.meta.dirname, '..', '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const pages = ['docs/postgresql.md', 'docs/operations.md'].map((path) => ({ path, text: read(path) }))
const ownFiles = ['src', 'migrations']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  )
  .filter((file) => file.endsWith('.ts') && !file.startsWith(join('src', 'demo')) && !file.includes('embedded'))

test('the files, pages, variables and commands that the pages name exist', async (t) => {
  for (const { path, text } of pages) {
    for (const [, file = ''] of text.matchAll(/`((?:src|migrations|test)\/[\w/.-]+)`/g))
      t.true(existsSync(join(root, file)), `${path}: ${file}`)
    for (const [, target = '', anchor] of text.matchAll(/\]\(([\w./-]*)(?:#([\w-]+))?\)/g)) {
      const file = target === '' ? path : join('docs', target)
      t.true(existsSync(join(root, file)), `${path}: ${file}`)
      if (anchor) t.true(anchorsOf(read(file)).includes(anchor), `${path}: ${file}#${anchor}`)
    }
    for (const [, name = ''] of text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)\b[^`]*`/g)) {
      t.true(name in variables || FOREIGN.includes(name), `${path}: ${name}`)
    }
    for (const [, command = ''] of text.matchAll(/`(?:npx )?grantry ([a-z-]+(?: [a-z-]+)?)/g))
      t.true(await isCommand(command), `${path}: grantry ${command}`)
  }
})

async function isCommand(words: string): Promise<boolean> {
  let help = ''
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      help += chunk.toString()
      done()
    },
  })
  await runCommand([...words.split(' '), '--help'], { stdin: Readable.from([]), stdout, stderr: stdout, env: {} })
  return help.startsWith(`Usage: grantry ${words}`)
}

/** Variables of Node, and of the tests. */
const FOREIGN = ['NODE_EXTRA_CA_CERTS', 'FAULT_ROUNDS']

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
}

/** What each row of the page's table must have in each of its files. */
const RELIED_ON: Readonly<Record<string, RegExp>> = {
  'skip locked': /skip locked/,
  'advisory locks of a transaction': /pg_advisory_xact_lock/,
  'advisory locks of a session': /pg_try_advisory_lock/,
  LISTEN: /\blisten \$\{|pg_notify/,
  'unlogged tables': /unlogged/,
  plpgsql: /plpgsql/,
  'repeatable read': /repeatable read/,
}

test('what PostgreSQL is relied on for is where the page says', (t) => {
  const rows = read('docs/postgresql.md')
    .split('\n')
    .filter((line) => line.startsWith('|'))
  for (const [name, pattern] of Object.entries(RELIED_ON)) {
    const row = rows.find((line) => line.split('|')[1]?.includes(name)) ?? ''
    const named = [...row.matchAll(/`((?:src|migrations)\/[\w/.-]+\.ts)`/g)].map(([, file = '']) => file)
    t.true(named.length > 0, name)
    for (const file of named) t.regex(read(file), pattern, `${file}: ${name}`)
  }
})

/** Each pattern is of something that the page says is not used. */
const NOT_USED: readonly RegExp[] = [
  /create extension/i,
  /isolationLevel: 'serializable'|isolation level serializable/i,
  /prepare transaction/i,
  /create temp/i,
  /lo_import|lo_create/i,
  /pg_current_xact_id|txid_current|xid8/i,
  /pg_logical|replication_slot/i,
  /copy \w+ (?:from|to) /i,
]

test('nothing is used that the page says is not', (t) => {
  t.true(ownFiles.length > 200)
  for (const file of ownFiles) for (const pattern of NOT_USED) t.notRegex(read(file), pattern, file)
})
