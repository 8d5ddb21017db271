/** Reads a Dockerfile, and performs it in directories: for machines without a container engine. */
import { readFileSync, statSync } from 'node:fs'
import { cp, mkdir } from 'node:fs/promises'
import { join, relative } from 'node:path'

export interface Instruction {
  name: string
  /** Without the flags. */
  text: string
  flags: Readonly<Record<string, string>>
  /** Where it is given as a JSON array (the exec form). */
  args: string[] | undefined
}

export interface Stage {
  image: string
  name: string | undefined
  instructions: Instruction[]
}

/** All stages in order. Knows what ours needs: comments, continued lines, flags, the exec form; no heredocs, no variables. */
export function readStages(text: string): Stage[] {
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const stages: Stage[] = []
  for (const instruction of lines.map(readInstruction)) {
    if (instruction.name !== 'FROM') stages.at(-1)!.instructions.push(instruction)
    else {
      const [image = '', , name] = instruction.text.split(/\s+/)
      stages.push({ image, name, instructions: [] })
    }
  }
  return stages
}

function readInstruction(line: string): Instruction {
  const [, name = '', given = '', rest = ''] = /^(\w+)\s+((?:--\S+\s+)*)(.*)$/.exec(line) ?? []
  const flags = Object.fromEntries(
    [...given.matchAll(/--([\w-]+)=(\S+)/g)].map(([, key = '', value = '']) => [key, value]),
  )
  const list = rest.slice(Math.max(0, rest.indexOf('[')))
  return {
    name: name.toUpperCase(),
    text: rest,
    flags,
    args: /^(?:CMD )?\[/.test(rest) ? (JSON.parse(list) as string[]) : undefined,
  }
}

/** The last of them: what the image ends up with. */
export function last({ instructions }: Stage, name: string): Instruction | undefined {
  return instructions.findLast((instruction) => instruction.name === name)
}

export function environmentOf({ instructions }: Stage): Record<string, string> {
  const pairs = instructions
    .filter(({ name }) => name === 'ENV')
    .flatMap(({ text }) => [...text.matchAll(/(\w+)=(\S+)/g)])
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value]))
}

/** Whether the engine is sent this path of the working copy: the last pattern that fits it, or a folder above it, decides. */
export function isSent(ignoreFile: string, path: string): boolean {
  const parts = path.split('/')
  const above = parts.map((_, index) => parts.slice(0, index + 1).join('/'))
  let sent = true
  for (const line of ignoreFile.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue
    const pattern = line.replace(/^!/, '')
    if (above.some((each) => fits(each, pattern))) sent = line.startsWith('!')
  }
  return sent
}

/** Of its patterns, what ours use: `*` within a name, dots included, and `**` for any number of folders. */
function fits(path: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(?:.*/)?'))
  return new RegExp(`^${source}$`).test(path)
}

export interface Performance {
  /** The working copy. */
  context: string
  /** Where each stage gets a directory that stands for its root. */
  directory: string
  /** What a command does here. @throws Error for one that it does not know */
  run: (command: string, workdir: string) => Promise<void>
}

/** Performs COPY, WORKDIR and RUN of all stages. @returns the last stage's root */
export async function perform(stages: readonly Stage[], { context, directory, run }: Performance): Promise<string> {
  const ignored = readFileSync(join(context, '.dockerignore'), 'utf8')
  const rootOf = (stage: string | undefined) => join(directory, stage ?? 'image')
  for (const stage of stages) {
    let workdir = rootOf(stage.name)
    for (const { name, text, flags } of stage.instructions) {
      if (name === 'WORKDIR') await mkdir((workdir = join(rootOf(stage.name), text)), { recursive: true })
      else if (name === 'RUN') await run(text, workdir)
      else if (name === 'COPY') {
        const paths = text.split(/\s+/)
        const target = paths.pop()!
        for (const path of paths) {
          const source = join(flags.from === undefined ? context : rootOf(flags.from), path)
          const filter = (file: string) => flags.from !== undefined || isSent(ignored, relative(context, file))
          await copy(
            source,
            target.endsWith('/') && !statSync(source).isDirectory()
              ? join(workdir, target, path)
              : join(workdir, target),
            filter,
          )
        }
      }
    }
  }
  return rootOf(stages.at(-1)!.name)
}

async function copy(from: string, to: string, filter: (file: string) => boolean): Promise<void> {
  if (!filter(from)) throw new Error(`${from} is kept from the engine by .dockerignore`)
  await cp(from, to, { recursive: true, verbatimSymlinks: true, filter })
}
