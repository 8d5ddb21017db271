/**
 * `node .build/build.ts [directory]`: the server as JavaScript, by default in `dist`, with everything that it reads beside its
 * code: pages, playground, reference. What starts it is `node dist/main.js`; the packages that it needs are not in it.
 */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, extname, join, resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = dirname(import.meta.dirname)

/** The sources look for themselves in `process.argv`, and for their neighbours where they stand in the repository. */
const MAIN = `process.argv[1] = (await import('node:url')).fileURLToPath(new URL('./src/main.js', import.meta.url))
await import('./src/main.js')
`

/**
 * @param directory is made anew
 * @param check whether types are checked as well
 * @throws Error with what the compiler says
 */
export async function build(directory: string, { check = true } = {}): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  await Promise.all([
    compile(directory, check),
    cp(join(root, 'views'), join(directory, 'views'), { recursive: true }),
    cp(join(root, 'src'), join(directory, 'src'), { recursive: true, filter: (path) => extname(path) !== '.ts' }),
    writeFile(join(directory, 'main.js'), MAIN),
    writeFile(join(directory, 'package.json'), await packageOf()),
  ])
}

async function compile(directory: string, check: boolean): Promise<void> {
  const project = join(import.meta.dirname, 'tsconfig.json')
  const flags = ['--project', project, '--outDir', directory, ...(check ? [] : ['--noCheck'])]
  await run(join(root, 'node_modules', '.bin', 'tsc'), flags, { cwd: root }).catch(
    (error: Error & { stdout?: string }) => {
      throw new Error(error.stdout || error.message)
    },
  )
}

/** Name, version and entrances; what only development needs stays out. */
async function packageOf(): Promise<string> {
  const text = await readFile(join(root, 'package.json'), 'utf8')
  const { name, version, license, type, bin, exports, dependencies, optionalDependencies } = JSON.parse(text) as {
    exports: Record<string, string>
  } & Record<string, unknown>
  const compiled = Object.entries(exports).map(([path, file]) => [path, file.replace(/\.ts$/, '.js')] as const)
  const kept = { name, version, license, type, bin, exports: Object.fromEntries(compiled), dependencies, optionalDependencies } // prettier-ignore
  return `${JSON.stringify(kept, null, 2)}\n`
}

if (process.argv[1] === import.meta.filename) void build(resolve(process.argv[2] ?? join(root, 'dist')))
