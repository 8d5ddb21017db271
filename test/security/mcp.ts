/**
 * The authorization chapter of the Model Context Protocol, revision 2026-07-28: what it asks of authorization servers and of
 * MCP servers, which are APIs. It has no numbers; they are ours, in the order of the text.
 */
import type { Chapter } from './clause.ts'

const SIGNS_IN = 'a client that is known ${name} signs a person in, reads, and asks for more when it needs more'
const LEARNS = 'whoever comes without a token learns where to get one, for this server alone (RFC 9728)'
const REFUSED_DOCUMENT = 'a document that ${name} is refused on a page that says so'
const CONSENT = 'the consent page shows whose document it is and where the answer goes, and warns of this machine'

export const authorizationServers: Chapter = {
  name: 'servers',
  title: 'Authorization servers',
  clauses: [
    {
      id: 'MCP 1.1',
      says: 'The server has OAuth 2.1 for confidential and for public clients.',
      state: 'met',
      tests: [
        '${library}: a web client (${method}) completes code and refresh, userinfo and a resource',
        '${library}: a single-page app completes code and refresh, userinfo and a resource',
        'refused for good at the authorization endpoint: ${what}',
      ],
    },
    {
      id: 'MCP 1.2',
      says: 'Its metadata is found at a well-known address, with the very issuer (RFC 8414 or OpenID Connect).',
      state: 'met',
      tests: ['both well-known documents say the same, and each library finds its way by either', SIGNS_IN],
    },
    {
      id: 'MCP 1.3',
      says: 'The metadata says that there is PKCE, with S256.',
      state: 'met',
      tests: ['discovery equals behaviour: ${member}', 'PKCE is demanded of every client, and only S256'],
    },
    {
      id: 'MCP 1.4',
      says: 'Refresh tokens of public clients are rotated.',
      state: 'met',
      tests: [
        'mcp: the resource is named in every request; tokens of public clients are rotated, and iss is in every answer',
        'a refresh rotates the token',
      ],
    },
    {
      id: 'MCP 1.5',
      says: 'Every endpoint is https.',
      state: 'met',
      tests: ['behind TLS cookies carry the prefixes that pin them, and HSTS is set'],
      note: 'By the proxy in front; an issuer on http is for development.',
    },
    {
      id: 'MCP 1.6',
      says: 'Redirect URIs are https or on loopback, and compared as text with the registered ones.',
      state: 'met',
      tests: ['mcp: redirect URIs are https or loopback', 'nobody is sent to ${what}'],
    },
    {
      id: 'MCP 1.7',
      says: 'Who sends `iss` says so in the metadata.',
      state: 'met',
      tests: ['discovery equals behaviour: ${member}'],
    },
    {
      id: 'MCP 1.8',
      says: 'Answers and errors hold `iss`.',
      state: 'met',
      tests: ["${what} gets ${error ?? 'a code'}, with issuer and state"],
    },
    {
      id: 'MCP 1.9',
      says: 'Access tokens live for a short time.',
      state: 'met',
      tests: ['a person signs in, consents, and the client gets an RFC 9068 access token for the resource'],
      note: 'Five minutes, unless an API says otherwise.',
    },
    {
      id: 'MCP 1.10',
      says: 'Nobody is sent on by itself to where nobody vouches for.',
      state: 'met',
      tests: [
        'errors and prompt=none stay on a page of ours',
        'errors stay on a page: prompt=none, a refusal, and a request that is wrong lead nowhere',
      ],
    },
    {
      id: 'MCP 1.11',
      says: 'Requests name the API that the token is for (RFC 8707), and the token is for it.',
      state: 'met',
      tests: [
        'where a token is for is always said (RFC 8707)',
        'the token opens this server alone, and a body has an end',
      ],
    },
    {
      id: 'MCP 1.12',
      says: 'Clients may register themselves (RFC 7591), which the revision calls outdated.',
      state: 'met',
      tests: [
        'what it gets is code and refresh, whatever it asked for; and the answer says so',
        'switched off, there is no such endpoint',
      ],
    },
    {
      id: 'MCP 2.1',
      says: 'Clients may be described by a document at their client_id, and the metadata says so.',
      state: 'met',
      tests: [
        'a client signs a person in by its document alone: any loopback port, its URL in the token, refresh tokens that rotate',
        'discovery says that such clients are taken',
      ],
    },
    {
      id: 'MCP 2.2',
      says: 'The document names as its client_id the very URL at which it stands.',
      state: 'met',
      tests: [REFUSED_DOCUMENT, 'a URL of another spelling than the document at it is another client'],
    },
    {
      id: 'MCP 2.3',
      says: 'It is JSON with name and redirect URIs, and answers go to those alone.',
      state: 'met',
      tests: [REFUSED_DOCUMENT],
    },
    {
      id: 'MCP 2.4',
      says: 'The person is shown the host that the answer goes to, and warned where that is their own machine.',
      state: 'met',
      tests: [CONSENT],
    },
    {
      id: 'MCP 2.5',
      says: 'Fetching the document reaches nothing inside, follows nothing and is bounded.',
      state: 'met',
      tests: [
        'a name that leads to ${address} is not asked, however public it looks',
        'a document that redirects leads nowhere: what it points to is not fetched',
        'one host is asked 60 times a minute, whoever makes us',
      ],
    },
    {
      id: 'MCP 2.6',
      says: 'The document is kept as its HTTP headers say, and failures are not.',
      state: 'met',
      tests: [
        'what a document says is believed for minutes at least, asked again by its ETag, and then what it says anew',
        'a failure is remembered for moments only, and mended documents count',
      ],
    },
  ],
}

export const mcpServers: Chapter = {
  name: 'resources',
  title: 'MCP servers',
  clauses: [
    {
      id: 'MCP 3.1',
      says: 'The server says who issues its tokens, at its well-known address and in its 401 (RFC 9728).',
      state: 'met',
      tests: [LEARNS, 'the metadata stands where path insertion puts it'],
    },
    {
      id: 'MCP 3.2',
      says: 'It takes only tokens that were made for it.',
      state: 'met',
      tests: ['the token opens this server alone, and a body has an end', 'a token is refused with ${what}'],
    },
    {
      id: 'MCP 3.3',
      says: 'A bad token is answered with 401, one that covers too little with 403, what can not be read with 400.',
      state: 'met',
      tests: [
        'a bad token is invalid_token, with the scope that is needed',
        'malformed or ambiguous credentials are 400 invalid_request',
        'a token that covers too little is refused with everything that is needed',
      ],
    },
    {
      id: 'MCP 3.4',
      says: 'It passes no token on.',
      state: 'met',
      tests: ['openid-client: an API gets a token for the next, which says for whom, for what and who acts'],
      note: 'The demo calls nothing; an API that does exchanges the token.',
    },
    {
      id: 'MCP 3.5',
      says: 'No token is taken out of an address.',
      state: 'met',
      tests: ['a token counts in one place only: never in the URL, never twice, under no other scheme'],
    },
    {
      id: 'MCP 3.6',
      says: 'Scopes that hold others are judged so.',
      state: 'not applicable',
      tests: ['a scope is compared whole'],
      note: 'No scope holds another here.',
    },
    {
      id: 'MCP 3.7',
      says: 'A challenge names the scopes that are needed, all in one, with the metadata beside them.',
      state: 'met',
      tests: [
        'too little scope is 403 with what is needed beside what was granted, so that a client loses nothing by asking for it',
        SIGNS_IN,
      ],
    },
    {
      id: 'MCP 3.8',
      says: 'Neither challenge nor metadata of the API names `offline_access`.',
      state: 'met',
      tests: [LEARNS],
    },
  ],
}
