import { readFileSync, readdirSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { LOCALES, type Locale } from '../../src/interactions/pages/locale.ts'
import type { ConsentModel, PageModels, PageName } from '../../src/interactions/pages/models.ts'
import { createRenderer } from '../../src/interactions/pages/render.ts'
import { byTag, elements, parseHtml, textOf, type Element } from './parse-html.ts'
import { ALL_SAMPLES, LONG, NOW, SAMPLES } from './samples.ts'

const directory = join(import.meta.dirname, '../../views')
const renderer = createRenderer({ directory, now: () => NOW })

function page<P extends PageName>(name: P, model: PageModels[P], locale: Locale = 'en'): Element {
  return parseHtml(renderer.render(name, locale, model))
}

function attribute(element: Element | undefined, name: string): string | undefined {
  return element?.attributes.get(name)
}

function byName(root: Element, name: string): Element | undefined {
  return byTag(root, 'input', 'button').find((element) => attribute(element, 'name') === name)
}

/** The fields and the address that a button would send, as a browser would gather them. */
function submission(root: Element, label: string): { action: string; fields: Record<string, string> } {
  for (const form of byTag(root, 'form')) {
    const button = byTag(form, 'button').find((candidate) => textOf(candidate).startsWith(label))
    if (!button) continue
    const fields = byTag(form, 'input').filter((input) => attribute(input, 'type') === 'hidden')
    const pairs = [...fields, button].flatMap((field) => {
      const name = attribute(field, 'name')
      return name === undefined ? [] : [[name, attribute(field, 'value') ?? '']]
    })
    return {
      action: attribute(button, 'formaction') ?? attribute(form, 'action') ?? '',
      fields: Object.fromEntries(pairs) as Record<string, string>,
    }
  }
  throw new Error(`no button says ${label}`)
}

for (const { page: name, state, model } of ALL_SAMPLES) {
  for (const locale of LOCALES) {
    test(`${name}, ${state}, in ${locale}: a whole document without gaps`, (t) => {
      const source = renderer.render(name, locale, model)
      const root = parseHtml(source)
      t.notRegex(textOf(root), /\bundefined\b|\bnull\b|\bNaN\b|\[object|\bfunction\b|=>/)
      t.is(attribute(byTag(root, 'html')[0], 'lang'), locale)
      t.is(byTag(root, 'h1').length, 1)
      t.is(byTag(root, 'main').length, 1)
      t.is(byTag(root, 'title').length, 1)
      t.not(textOf(byTag(root, 'title')[0] as Element), '')
      t.is(
        attribute(
          byTag(root, 'meta').find((meta) => attribute(meta, 'name') === 'referrer'),
          'content',
        ),
        'no-referrer',
      )
      onlyOwnThings(t, root)
      formsAreComplete(t, root, name)
    })
  }
}

/** What `default-src 'none'; style-src 'self'; img-src 'self'` would block must not be there at all. */
function onlyOwnThings(t: ExecutionContext, root: Element): void {
  t.deepEqual(byTag(root, 'script', 'style', 'iframe', 'object', 'embed', 'base', 'svg'), [])
  for (const { attributes } of elements(root)) {
    for (const [name, value] of attributes) {
      t.false(name === 'style' || name.startsWith('on'), name)
      if (name === 'src') t.regex(value, /^\/assets\//)
      if (name === 'href') t.regex(value, /^(?:\/(?!\/)|https?:\/\/)/)
      if (name === 'target') t.regex(attributes.get('rel') ?? '', /\bnoopener\b/)
    }
  }
}

function formsAreComplete(t: ExecutionContext, root: Element, name: PageName): void {
  const ids = elements(root).flatMap((element) => attribute(element, 'id') ?? [])
  t.is(new Set(ids).size, ids.length)
  const labelled = new Set(byTag(root, 'label').map((label) => attribute(label, 'for')))
  for (const form of byTag(root, 'form')) {
    t.is(attribute(form, 'method'), 'post')
    t.truthy(byName(form, name === 'logout' || name === 'device' ? 'xsrf' : 'csrf'))
    for (const input of byTag(form, 'input')) {
      const isShown = attribute(input, 'type') !== 'hidden' && attribute(input, 'hidden') === undefined
      t.is(isShown, labelled.has(attribute(input, 'id')))
      for (const id of (attribute(input, 'aria-describedby') ?? '').split(' ').filter(Boolean))
        t.true(ids.includes(id), id)
    }
  }
  t.true(byTag(root, 'input').filter((input) => attribute(input, 'autofocus') !== undefined).length <= 1)
}

test('login: the title names the client, the fields are known to password managers', (t) => {
  const root = page('login', SAMPLES.login.first as PageModels['login'])
  t.is(textOf(byTag(root, 'title')[0] as Element), 'Sign in · Example App')
  t.is(attribute(byName(root, 'login'), 'autocomplete'), 'username')
  t.is(attribute(byName(root, 'password'), 'autocomplete'), 'current-password')
  t.is(attribute(byName(root, 'password'), 'value'), undefined)
  t.not(attribute(byName(root, 'login'), 'autofocus'), undefined)
  t.deepEqual(submission(root, 'Sign in'), { action: '/interaction/a1b2/login', fields: { csrf: 'kq2yPsZ0t5' } })
  t.deepEqual(submission(root, 'Cancel'), { action: '/interaction/a1b2/cancel', fields: { csrf: 'kq2yPsZ0t5' } })
})

test('login: after an error the name stays, the password is empty and next, the error is announced and tied to both', (t) => {
  const root = page('login', SAMPLES.login.wrong as PageModels['login'])
  t.is(attribute(byName(root, 'login'), 'value'), 'alice')
  t.not(attribute(byName(root, 'password'), 'autofocus'), undefined)
  const alert = elements(root).find((element) => attribute(element, 'role') === 'alert')
  for (const field of ['login', 'password']) {
    t.is(attribute(byName(root, field), 'aria-describedby'), attribute(alert, 'id'))
    t.is(attribute(byName(root, field), 'aria-invalid'), 'true')
  }
  t.regex(textOf(byTag(root, 'title')[0] as Element), /^Error: /)
})

test('login: what was typed comes back unchanged, controls and all', (t) => {
  const typed = ' a"b<c>&amp;\u202E\u0301 '
  const root = page('login', { ...(SAMPLES.login.wrong as PageModels['login']), loginHint: typed })
  t.is(attribute(byName(root, 'login'), 'value'), typed)
})

test('login: whoever is slowed down learns for how long', (t) => {
  t.regex(textOf(page('login', SAMPLES.login.throttled as PageModels['login'])), /Try again in 95 seconds\./)
  t.regex(
    textOf(page('login', SAMPLES.login.throttled as PageModels['login'], 'de')),
    /Versuchen Sie es in 95 Sekunden/,
  )
})

test('login: a client whose name cannot be seen is called nameless', (t) => {
  t.regex(textOf(page('login', SAMPLES.login.nameless as PageModels['login'])), /to continue to An app without a name/)
})

const usualConsent = SAMPLES.consent.usual as ConsentModel

test('consent: says who asks, for whom, for what, where the answer goes, how long, and where to take it back', (t) => {
  const root = page('consent', usualConsent)
  const text = textOf(root)
  for (const shown of [
    'Example App asks for access',
    'Signed in as Alice Example alice',
    'Your answer goes to app.example.com',
    'See your email address email',
    'orders:write',
    'As long as you stay signed in here, 14 days at most',
    'Your answer is remembered',
    'ends within 5 minutes',
    'cli_k5xqzj4m7wqk2nq5u3l6r7ta2e',
  ]) {
    t.true(text.includes(shown), shown)
  }
  t.true(byTag(root, 'a').some((link) => attribute(link, 'href') === '/account'))
  t.is(text.match(/already allowed/g)?.length, 1)
})

test('consent: both answers are buttons of one form, each with its own address and decision', (t) => {
  const root = page('consent', usualConsent)
  const csrf = 'kq2yPsZ0t5'
  t.deepEqual(submission(root, 'Allow'), { action: '/interaction/a1b2/consent', fields: { csrf, decision: 'allow' } })
  t.deepEqual(submission(root, 'Deny'), { action: '/interaction/a1b2/cancel', fields: { csrf, decision: 'deny' } })
  t.deepEqual(submission(root, 'Use another account'), { action: '/interaction/a1b2/switch', fields: { csrf } })
})

test('consent: how long access lasts follows the way it is bound', (t) => {
  const said = (offline: ConsentModel['offline']) => textOf(page('consent', { ...usualConsent, offline }))
  t.regex(said(null), /How long 5 minutes\. After that, the app has to come back here\./)
  t.regex(said({ bound: 'absolute', seconds: 7_776_000 }), /Up to 90 days, even while you are away/)
  t.regex(said({ bound: 'session', seconds: 3600 }), /As long as you stay signed in here, 1 hour at most/)
})

test('consent: an address on this very device is warned about, any other is not', (t) => {
  const warning = /on your own device/
  t.regex(textOf(page('consent', SAMPLES.consent.loopback as ConsentModel)), warning)
  t.notRegex(textOf(page('consent', usualConsent)), warning)
})

test('consent: a home page is a link only if it is on the web', (t) => {
  const links = (clientUri: string) =>
    byTag(page('consent', { ...usualConsent, clientUri }), 'a').map((link) => attribute(link, 'href'))
  t.deepEqual(links('https://app.example.com/'), ['/account', 'https://app.example.com/'])
  t.deepEqual(links('javascript:alert(1)'), ['/account'])
})

test('consent for a device shows its code to compare, and warns of whoever sent it', (t) => {
  const text = textOf(page('consent', SAMPLES.consent.device as PageModels['consent']))
  t.regex(text, /the device that shows this code WDJB-MJHT/)
  t.regex(text, /somebody sent you this one, deny/)
  t.notRegex(textOf(page('consent', usualConsent)), /device/)
})

test('device: a code is typed, or compared when it came with the address', (t) => {
  const fields = { xsrf: 'kq2yPsZ0t5', confirm: 'yes', switch_account: 'no' }
  const typed = page('device', SAMPLES.device.unknown as PageModels['device'])
  t.deepEqual(submission(typed, 'Continue'), { action: '/device', fields })
  t.is(attribute(byName(typed, 'user_code'), 'value'), 'wdjb mjht', 'a mistake loses nothing')
  t.is(attribute(byName(typed, 'user_code'), 'aria-invalid'), 'true')
  const compared = page('device', SAMPLES.device.given as PageModels['device'])
  t.deepEqual(submission(compared, 'It is the same'), {
    action: '/device',
    fields: { ...fields, user_code: 'WDJB-MJHT' },
  })
})

test('logout: everything, one client, or nothing', (t) => {
  const root = page('logout', SAMPLES.logout.asked as PageModels['logout'])
  const action = '/session/end/confirm'
  t.deepEqual(submission(root, 'Sign out'), { action, fields: { xsrf: 'kq2yPsZ0t5', logout: 'yes' } })
  t.deepEqual(submission(root, 'Sign out of this app only'), { action, fields: { xsrf: 'kq2yPsZ0t5' } })
  t.true(byTag(root, 'a').some((link) => attribute(link, 'href') === '/account'))
  t.is(byTag(page('logout', SAMPLES.logout.own as PageModels['logout']), 'button').length, 1)
})

test('error: the reader gets words, whoever helps gets the code and the reference', (t) => {
  const text = textOf(page('error', SAMPLES.error.full as PageModels['error']))
  t.regex(text, /The return address is not registered/)
  t.regex(text, /invalid_redirect_uri/)
  t.regex(text, /4bf92f3577b34da6a3ce929d0e0e4736/)
})

test('error: a code that nobody knows is still a page, even one that names a part of every object', (t) => {
  for (const code of ['made_up', 'constructor', '__proto__', '']) {
    t.regex(textOf(page('error', { code, traceId: 'x' })), /The app made a mistake/)
  }
})

test('account: each form says what it ends', (t) => {
  const root = page('account', SAMPLES.account.usual as PageModels['account'])
  const csrf = 'kq2yPsZ0t5'
  t.deepEqual(submission(root, 'Take back access'), {
    action: '/account/apps/revoke',
    fields: { csrf, client_id: 'cli_k5xqzj4m7wqk2nq5u3l6r7ta2e' },
  })
  t.deepEqual(submission(root, 'End session'), { action: '/account/sessions/end', fields: { csrf, uid: 's1' } })
  t.deepEqual(submission(root, 'End all other sessions'), { action: '/account/sessions/end-others', fields: { csrf } })
  t.deepEqual(submission(root, 'Sign out'), { action: '/account/sign-out', fields: { csrf } })
  t.is(submission(root, 'Change password').action, '/account/password')
  t.regex(textOf(root), /Chrome on Linux this browser/)
  t.regex(textOf(root), /Safari on iOS/)
})

test('account: two buttons that look alike are told apart by their names', (t) => {
  const root = page('account', SAMPLES.account.usual as PageModels['account'])
  const names = byTag(root, 'button').map(textOf)
  t.is(new Set(names).size, names.length, names.join(' | '))
})

test('account: the password fields tell managers which is which, and cut nothing off', (t) => {
  const root = page('account', SAMPLES.account.usual as PageModels['account'])
  t.is(attribute(byName(root, 'current_password'), 'autocomplete'), 'current-password')
  for (const name of ['new_password', 'repeat_password']) {
    t.is(attribute(byName(root, name), 'autocomplete'), 'new-password')
    t.is(attribute(byName(root, name), 'minlength'), '15')
    // With maxlength a browser would silently shorten what is pasted, and the owner would be locked out.
    t.is(attribute(byName(root, name), 'maxlength'), undefined)
    t.is(attribute(byName(root, name), 'pattern'), '.{15,128}')
  }
})

test('account: a password error marks the field that it is about', (t) => {
  const marked = (passwordError: string) =>
    byTag(page('account', { ...(SAMPLES.account.usual as PageModels['account']), passwordError }), 'input')
      .filter((input) => attribute(input, 'aria-invalid') === 'true')
      .map((input) => attribute(input, 'name'))
  t.deepEqual(marked('wrong-current'), ['current_password'])
  t.deepEqual(marked('mismatch'), ['repeat_password'])
  t.deepEqual(marked('too_short'), ['new_password'])
  t.deepEqual(marked('A sentence from elsewhere.'), ['new_password'])
  t.deepEqual(marked('throttled'), [])
  t.deepEqual(marked('busy'), [])
})

test('a name of 200 characters is shown whole', (t) => {
  for (const name of ['login', 'consent', 'device-done', 'logout', 'logged-out', 'error', 'account'] as const) {
    t.true(textOf(byTag(page(name, SAMPLES[name].long as never), 'main')[0] as Element).includes(LONG), name)
  }
})

test('a model without a field that the page needs gives an error, not a page', (t) => {
  const { clientName: _, ...incomplete } = SAMPLES.login.first as PageModels['login']
  const error = t.throws(() => renderer.render('login', 'en', incomplete as PageModels['login']))
  t.regex(String(error?.cause), /clientName/)
})

test('a model with a gap deep inside gives an error, not a page', (t) => {
  const scopes = [{ group: 'Orders', items: [{ name: 'orders:read', description: 'x' }] }]
  const error = t.throws(() => renderer.render('consent', 'en', { ...usualConsent, scopes } as unknown as ConsentModel))
  t.regex(String(error?.cause), /alreadyGranted/)
})

test('an error while rendering does not tell what was in the model', (t) => {
  const model = { ...SAMPLES.login.first, csrf: 'very-secret', action: undefined } as unknown as PageModels['login']
  const error = t.throws(() => renderer.render('login', 'en', model))
  t.notRegex(`${error?.message} ${String(error?.cause)}`, /very-secret/)
})

test('a broken or missing template stops the start', async (t) => {
  const copy = await mkdtemp(join(tmpdir(), 'views-'))
  t.teardown(() => rm(copy, { recursive: true }))
  await cp(directory, copy, { recursive: true })
  await writeFile(join(copy, 'login.eta'), '<% if (page.error) { %>')
  t.throws(() => createRenderer({ directory: copy }))
  await rm(join(copy, 'login.eta'))
  t.throws(() => createRenderer({ directory: copy }), { message: /login\.eta/ })
})

const templates = readdirSync(directory)
  .filter((file) => file.endsWith('.eta'))
  .map((file) => ({ file, source: readFileSync(join(directory, file), 'utf8') }))

test('templates hold no words of their own: every sentence comes from the catalogue', (t) => {
  for (const { file, source } of templates) {
    const words = source
      .replace(/<%[\s\S]*?%>/g, '')
      .replace(/<[^>]*>/g, '')
      .match(/\p{L}+/gu)
    t.deepEqual(words, null, file)
  }
})

test('only the layout prints anything unescaped, and that is the page inside it', (t) => {
  for (const { file, source } of templates) {
    const raw = [...source.matchAll(/<%[-_]?\s*~([\s\S]*?)%>/g)].map(([, expression]) => expression?.trim())
    t.deepEqual(raw, file === 'layout.eta' ? ['it.body'] : [], file)
  }
})
