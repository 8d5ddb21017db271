#!/usr/bin/env node
/** The command `grantry`, in JavaScript that any Node reads: finds a Node that is new enough and runs `cli` on it. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)
const cli = ['./cli.ts', './cli.js'].map((name) => new URL(name, import.meta.url)).find((url) => existsSync(url))
const ownNode = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))

function fail(reason) {
  console.error(`grantry: needs Node 22.20 or newer, ${reason}`)
  process.exitCode = 1
}

if (major > 22 || (major === 22 && minor >= 20)) {
  await import(cli.href)
} else if (!existsSync(ownNode)) {
  fail(`but this is ${process.versions.node}: run "npm ci", which brings one, or install it`)
} else {
  const child = spawn(ownNode, [fileURLToPath(cli), ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl-C in a terminal reaches both processes; passed on, it would count twice.
  const inTerminal = [0, 1, 2].some((fd) => isatty(fd))
  for (const name of ['SIGTERM', 'SIGHUP', 'SIGINT']) {
    process.on(name, () => (name === 'SIGINT' && inTerminal) || child.kill(name))
  }
  child.on('error', (error) => fail(`and ${ownNode} does not start (${error.code})`))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 1
    if (signal) process.removeAllListeners(signal).kill(process.pid, signal)
  })
}
