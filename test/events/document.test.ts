/** docs/events.md says what is so, and the receivers that it shows tell genuine deliveries from others. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { eventTypes } from '../../src/events/catalogue.ts'
import { signedHeaders } from '../../src/events/webhooks/signature.ts'
import { newWebhookSecret } from '../../src/registry/webhooks/webhook.ts'
import { renderDocument } from './document.ts'
import { isGenuine } from './receivers/verify.ts'

type Judge = (headers: Record<string, string>, body: string, secret: string) => boolean

test('docs/events.md is what the catalogue says now, and has every type', (t) => {
  const document = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'events.md'), 'utf8')
  t.is(document, renderDocument(), 'run: npm run docs:events')
  for (const type of eventTypes) t.true(document.includes(`| \`${type}\` |`), type)
  t.false(document.includes('undefined'))
})

const python = ['python3', 'python'].find((name) => spawnSync(name, ['--version']).status === 0)
const PROGRAM =
  'import json, sys; from verify import is_genuine; h, b, s = json.load(sys.stdin); print(is_genuine(h, b.encode(), s))'

const inPython: Judge = (...given) =>
  execFileSync(python!, ['-B', '-c', PROGRAM], {
    cwd: join(import.meta.dirname, 'receivers'),
    input: JSON.stringify(given),
  })
    .toString()
    .trim() === 'True'

const judges: [string, Judge][] = [
  ['TypeScript', isGenuine],
  ...(python ? [['Python', inPython] as [string, Judge]] : []),
]

for (const [language, judge] of judges) {
  test(`the receiver in ${language} takes what is genuine, and nothing else`, (t) => {
    const [secret, other] = [newWebhookSecret(), newWebhookSecret()]
    const now = Math.floor(Date.now() / 1000)
    const message = { id: 'evt_1', timestamp: now, body: '{"type":"user.created","data":{"name":"Zoë"}}' }
    const signed = signedHeaders(message, [secret])
    t.true(judge(signed, message.body, secret))
    t.true(judge(signedHeaders(message, [other, secret]), message.body, secret), 'while a secret changes')
    t.false(judge(signed, `${message.body} `, secret))
    t.false(judge(signed, message.body, other))
    t.false(judge({ ...signed, 'webhook-id': 'evt_2' }, message.body, secret))
    t.false(judge(signedHeaders({ ...message, timestamp: now - 400 }, [secret]), message.body, secret))
    t.false(judge({}, message.body, secret))
  })
}
