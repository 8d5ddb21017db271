/** The prose of docs/events.md. */

export const INTRODUCTION = `# Events

Whatever changes here leaves an event, written in the transaction that made it true: there is no change without its event and no event without its change. An event holds ids and facts, never a secret, a token or what somebody typed. It comes by webhook, long poll, server-sent events, WebSocket and command line, and is the same everywhere:

\`\`\`json
{
  "id": "evt_4711",
  "type": "user.created",
  "at": "2030-01-31T12:00:00.000Z",
  "actor": "cli",
  "subject": "usr_k5xq7m2n4p6r3s5t7v2w4y6z3a",
  "user_id": "usr_k5xq7m2n4p6r3s5t7v2w4y6z3a",
  "client_id": null,
  "data": { "roles": [] }
}
\`\`\`

\`id\` names the event and is the same each time it is told. \`actor\` is who did it, \`subject\` the thing that it happened to, \`user_id\` and \`client_id\` whom it is about. What \`data\` holds depends on \`type\`, and nothing else is in it. New types come, and new members beside these: pass over what you do not know. The JSON Schema of each is in the OpenAPI document of the management API, under \`webhooks\`.

\`npm run docs:events\` writes this file from the catalogue (\`src/events/catalogue.ts\`), and a test fails when it is out of date.
`

export const ORDER = `Two types are written after the fact, and are no evidence: \`token.issued\` and \`token.refreshed\` are counted in memory and written once a minute, one for each client and grant type, and what an instance counted and did not live to write is missing. \`TOKEN_EVENTS=each\` makes one for every answer of the token endpoint, a second later.

## Order and cursors

All events stand in one order, the same for every reader and every instance, without holes. An event gets its place after its transaction has ended, so nothing turns up later at a place that somebody has already passed. Of two events of which one was there before the other began, the first comes first; the times in \`at\` may say otherwise, for clocks differ.

A cursor is a place in that order. Every way of following gives one with each event, also when nothing came; keep the last one that you have dealt with and go on from it after a break. You then miss nothing and see nothing twice. Cursors are text; count with them nowhere.
`

export function webhooks({
  schedule,
  timeout,
  typescript,
  python,
}: {
  schedule: string[]
  timeout: string
  typescript: string
  python: string
}): string {
  return `## Webhooks

\`POST /api/v1/webhooks\`, or \`grantry webhook create --url … --event 'user.*'\`, has a URL told of events from then on. The secret is in the answer, once. Subscribe to types (\`user.created\`), kinds (\`user.*\`) or everything that the owner may see (\`*\`): a webhook is told what its owner may see at that moment, and ends when the owner may see nothing of it any more.

Deliveries follow [Standard Webhooks](https://www.standardwebhooks.com/) 1.0: a \`POST\` with \`{"type": …, "timestamp": …, "data": <event>}\` and

| header | what |
| --- | --- |
| \`webhook-id\` | The id of the event: the same at every attempt and when it is delivered again. Remember it for some days and pass over what you have had. |
| \`webhook-timestamp\` | When this attempt was made, in seconds since 1970. Refuse what is older than five minutes. |
| \`webhook-signature\` | \`v1,\` and the Base64 of HMAC-SHA256 over \`id.timestamp.body\`, by the bytes behind \`whsec_\`. While a secret changes there are two, with a space between. |

Check the signature over the body as it came, before anything parses it. In TypeScript (\`verifyWebhook\` of \`grantry/client\` does the same):

\`\`\`ts
${typescript}
\`\`\`

In Python, with its standard library alone:

\`\`\`python
${python}
\`\`\`

A webhook made with \`legacy_headers\` also gets \`X-Webhook-Id\`, \`X-Webhook-Timestamp\` and \`X-Webhook-Signature: sha256=<hex>\`, and the type as \`event\`. That signature is by the whole secret as text, over the body alone: it does not keep a message from being sent again by somebody else.

Answer 2xx within ${timeout} seconds and do the work afterwards. Anything else, a redirect too, is tried again after ${schedule.join(', ')}, each a fifth more or less, or later if \`Retry-After\` says so (a day at most). Each event comes at least once and usually in order; neither exactly once nor surely in order is promised.

| state | what it means |
| --- | --- |
| \`active\` | It is told of events. |
| \`paused\` | By its owner, or because a delivery failed at every attempt. Events wait, as long as they are kept, until it is \`active\` again. |
| \`disabled\` | The receiver answered \`410\`, or the owner lost the rights. |

\`POST …/webhooks/{id}/tests\` has a \`webhook.test\` delivered. \`GET …/webhooks/{id}/deliveries\` tells every attempt with status, time and the first bytes of the answer; finished ones are kept for thirty days. \`POST …/webhooks/{id}/deliveries\` with \`{"event_id": …}\` or \`{"from": <cursor>, "to": <cursor>}\`, or \`grantry event replay\`, delivers again. \`POST …/webhooks/{id}/rotate-secret\` gives a new secret; for a day, unless you say otherwise, deliveries carry a signature by both.

URLs must be https and lead to a public address, which is looked at again when the connection is made; redirects are not followed. \`WEBHOOK_ALLOW_PRIVATE=on\` lifts that.
`
}

export const FOLLOWING = `## Following

### Long poll

\`GET /api/v1/events?after=<cursor>\` with \`Prefer: wait=25\` answers as soon as there is an event, or after so many seconds (30 at most) with an empty list; either way \`pagination.next_cursor\` is from where to go on. Without \`after\` it begins with the oldest event that is kept, with \`after=latest\` now, with \`since=<time>\` at a time. \`channels\` and \`types\` narrow it. Give your HTTP client ten seconds more than you wait. \`410\` \`history-gone\`: events after the cursor have been swept, and the problem has \`oldest_cursor\`.

### Server-sent events

The same address with \`Accept: text/event-stream\`. Each event has its cursor as \`id\` and its type as \`event\`; a comment every 15 seconds at the latest shows that the stream lives. After a break go on with \`Last-Event-ID\`, as browsers do by themselves. \`event: end\` comes when the credentials are good no more. A browser's \`EventSource\` can send no \`Authorization\`: read the stream with \`fetch\`.

### WebSocket

\`/api/v1/stream\`. Programs send \`Authorization: Bearer …\` with the handshake; browsers, which can't, send \`auth\` within five seconds. A token in the address is refused. Pages of other origins must be registered (\`403\`). Frames are JSON, one object a message:

| you send | what it does |
| --- | --- |
| \`{"type": "auth", "token": "…"}\` | Says who you are; again, with a fresh token of the same owner, before the old one ends. |
| \`{"type": "subscribe", "channels": ["users"], "after": "4711", "window": 100}\` | Follows channels. \`after\` (from now on, unless given) is for the first subscription. With \`window\` no more than so many events are on their way without \`ack\`. |
| \`{"type": "unsubscribe", "channels": ["users"]}\` | Follows them no more. |
| \`{"type": "ack", "cursor": "4712"}\` | Everything up to here has been dealt with. |
| \`{"type": "ping"}\` | Asks for a \`pong\`. |

| you get | what it means |
| --- | --- |
| \`{"type": "authenticated", "expires_at": …}\` | The token is good, until then. |
| \`{"type": "subscribed", "channels": […], "cursor": "4711"}\` | These are followed, from here on. \`unsubscribed\` likewise. |
| \`{"type": "event", "cursor": "4712", "event": {…}}\` | An event, and from where to go on after it. |
| \`{"type": "live", "cursor": "4712"}\` | Everything that was there has been told; what follows happens now. |
| \`{"type": "reauthenticate", "expires_at": …}\` | The token ends in a minute: send \`auth\`. |
| \`{"type": "error", "error": {"code": …, "detail": …}, "cursor": …}\` | A frame was refused, or the socket is about to close. |

Every half a minute the server sends a ping of the protocol, and cuts off whoever has not answered the one before. Whatever takes rights away, a revoked token, key or grant, a disabled user or client, an ended session, closes the socket, before anything that came after it is told.
`

export const KEEPING = `### Command line

\`grantry event tail --after <cursor> --json\` tells each event as it happens, one a line, beside a server or without one; \`--type\`, \`--channel\`, \`--user\` and \`--client\` narrow it. \`grantry event list\` tells the latest.

## Keeping

Events are kept for \`EVENT_RETENTION_SECONDS\`, thirty days unless you say otherwise, and then go, oldest first. Whoever was away for longer is told so and never silently misses any. When a person is erased, names and addresses in their events are replaced by a pseudonym; what webhooks have already been told is with their receivers. Deliveries hold the event as it was sent, and go thirty days after they are finished.
`
