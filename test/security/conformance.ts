/** docs/conformance.md: the profiles that Grantry is built to, in the same way as docs/security.md. */
import { apis, cryptography, network, servers } from './fapi-2.ts'
import { authorizationServers, mcpServers } from './mcp.ts'
import { attacks, recommendations } from './rfc-9700.ts'
import type { Standard } from './standards.ts'

export const conformance: readonly Standard[] = [
  {
    name: 'FAPI 2.0',
    title: 'FAPI 2.0 Security Profile',
    about:
      'The [final text](https://openid.net/specs/fapi-security-profile-2_0-final.html), for clients that are registered with `profile: fapi2`. What it asks of clients alone (§5.3.3) is theirs. Letters number the demands of one section; they are ours.',
    chapters: [network, servers, apis, cryptography],
  },
  {
    name: 'MCP',
    title: 'MCP authorization',
    about:
      'The [authorization chapter](https://modelcontextprotocol.io/specification/draft/basic/authorization) of the Model Context Protocol, revision 2026-07-28; its demands of 2025-11-25 are among them. The numbers are ours. MCP servers are asked by way of the demo’s and of `grantry/resource-server`.',
    chapters: [authorizationServers, mcpServers],
  },
  {
    name: 'RFC 9700',
    title: 'RFC 9700',
    about:
      'The [Best Current Practice for OAuth 2.0 Security](https://www.rfc-editor.org/rfc/rfc9700), which holds for every client, whatever its profile: sections 2 and 4, as in [security.md](security.md).',
    chapters: [recommendations, attacks],
  },
]
