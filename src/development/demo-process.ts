import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Config } from '../config/load.ts'
import type { Logger } from '../telemetry/logger.ts'

export interface DemoProcess {
  stop(): Promise<void>
}

const STOP_DEADLINE_MS = 4000

/**
 * Starts the demo orders API as a process of its own: it gets no database of ours, only the issuer, the playground's public
 * client, and the secret of its own webhook, which travels in the environment, where no list of processes shows it to
 * others. It ends with us, however we end: its end of the channel closes.
 * @throws Error when it ends before it answers
 */
export async function startDemoProcess(
  config: Config,
  { clientId, webhookSecret }: { clientId: string; webhookSecret: string | undefined },
  log: Logger,
): Promise<DemoProcess> {
  const { demo, issuer, dataDirectory } = config
  const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js'
  const child = fork(join(import.meta.dirname, '..', 'demo', `main.${extension}`), {
    // A process group of its own: Ctrl-C reaches us alone, and we end the demo in order.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      ISSUER: issuer,
      DATA_DIR: dataDirectory,
      DEMO_PORT: String(demo?.port),
      DEMO_CLIENT_ID: clientId,
      ...(webhookSecret !== undefined && { DEMO_WEBHOOK_SECRET: webhookSecret }),
      LOG_LEVEL: config.log.level,
      ...(demo?.databaseUrl ? { DEMO_DATABASE_URL: demo.databaseUrl } : {}),
    },
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const answering = new Promise<'ready'>((resolve) => {
    child.on('message', (message) => {
      if ((message as { ready?: boolean }).ready) resolve('ready')
    })
  })
  if ((await Promise.race([answering, exited])) !== 'ready') {
    throw new Error(`the demo did not start on port ${demo?.port}; see the log above, or set DEMO_PORT=off`)
  }
  let stopping = false
  void exited.then((code) => {
    if (!stopping) log.error({ code }, 'the demo ended by itself')
  })

  return {
    async stop() {
      stopping = true
      child.kill('SIGTERM')
      const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS)
      await exited
      clearTimeout(deadline)
    },
  }
}
