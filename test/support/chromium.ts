/**
 * A real Chromium for tests that look at pages as a person would. Where none is installed, those tests are skipped and say
 * so; everything else still runs.
 */
import { existsSync } from 'node:fs'
import test, { type ExecutionContext, type Implementation } from 'ava'
import { chromium as playwright, type Browser } from 'playwright-core'

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

export const hasChromium = existsSync(executablePath)

let running: { browser: Promise<Browser>; users: number; end?: NodeJS.Timeout } | undefined

/**
 * The browser that the tests of one file share; it ends with the last of them. Ask for a `newContext()` of your own, so that
 * cookies and storage are yours alone.
 */
export async function chromium(t: Pick<ExecutionContext, 'teardown'>): Promise<Browser> {
  running ??= {
    browser: playwright.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    }),
    users: 0,
  }
  const mine = running
  mine.users += 1
  clearTimeout(mine.end)
  t.teardown(() => {
    mine.users -= 1
    // The next test of the file begins at once if there is one; a start costs half a second.
    if (mine.users === 0) mine.end = setTimeout(() => void end(mine), 200)
  })
  return mine.browser
}

async function end(mine: NonNullable<typeof running>): Promise<void> {
  if (running === mine) running = undefined
  await (await mine.browser).close()
}

/**
 * A test that needs Chromium: declared as skipped, with the reason in its title, where there is none. One after the other,
 * because a browser keeps every core busy by itself.
 */
export function testInChromium(title: string, implementation: Implementation<[]>): void {
  if (hasChromium) test.serial(title, implementation)
  else test.skip(`${title} (skipped: no Chromium at ${executablePath}; set CHROMIUM_PATH)`, implementation)
}
