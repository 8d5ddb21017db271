/**
 * `development` makes the first minute: demo data, the demo process, the lines that a newcomer reads. It runs only while
 * ISSUER is this machine and never in production; nothing else knows of it.
 */
import type { MasterKeys } from '../lib/master-key.ts'
import type { AuthServer } from '../server.ts'
import type { Logger } from '../telemetry/logger.ts'
import { startDemoProcess } from './demo-process.ts'
import { prepareFirstRun, type FirstRun } from './first-run.ts'

export interface Development {
  firstRun: FirstRun
  close(): Promise<void>
}

/** Seeds the demo data once, starts the demo beside the server, and waits until it answers. */
export async function startDevelopment(
  server: AuthServer,
  masterKeys: MasterKeys,
  log: Logger,
): Promise<Development | undefined> {
  const { demo } = server.config
  if (!demo) return undefined
  const { firstRun, webhookSecret } = await prepareFirstRun(server, masterKeys, `http://localhost:${demo.port}`)
  const clientId = firstRun.demo.clients.spa.client_id
  const child = await startDemoProcess(server.config, { clientId, webhookSecret }, log)
  return { firstRun, close: () => child.stop() }
}

/** What a newcomer reads when everything answers. The curl command returns a token when pasted. */
export function readyLines(issuer: string, firstRun: FirstRun | undefined): string {
  if (!firstRun) return `ready at ${issuer}\n`
  const { demo } = firstRun
  const { service, web, spa } = demo.clients
  return `ready at ${issuer}

  Sign in              ${issuer}/account
  API reference        ${issuer}/api/docs
  Playground           ${demo.apiUrl}/
  Orders API           ${demo.apiUrl}/api/v1/users/me/orders
  Discovery            ${issuer}/.well-known/openid-configuration

  Demo user            ${demo.user.username}  ${demo.user.password}
  Demo administrator   ${demo.admin.username}  ${demo.admin.password}
  Demo client (web)    ${web.client_id}
  Demo client (spa)    ${spa.client_id}
  Demo client (service) ${service.client_id}

  A token for a service:

    curl -s -u '${service.client_id}:${service.client_secret}' \\
      -d grant_type=client_credentials -d scope=orders:read ${issuer}/token

`
}
