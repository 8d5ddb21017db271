import type { FirstRun } from './first-run.ts'

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
