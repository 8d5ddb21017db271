/**
 * The playground: joins the buttons to what they do. All state is in this module and goes with the tab.
 */
import { createEventPanel } from './events.js'
import { exchange } from './exchange.js'
import * as families from './family.js'
import * as oauth from './oauth.js'
import { decode } from './tokens.js'
import { drawOrders } from './orders.js'
import { byId, drawExchange, drawFamily, drawToken, element, notice, show, words } from './view.js'

const MARGIN_MS = 1_500
const ITEMS = ['Coffee grinder', 'Milk jug', 'Paper filters, 100', 'Espresso cups, set of 4', 'Cleaning brush']

/** @type {import('./events.js').Config} */
let config
/** @type {ReturnType<typeof createEventPanel> | undefined} */
let events
/** @type {oauth.Metadata | undefined} */
let metadata
/** @type {{ access_token: string, id_token?: string } | undefined} */
let tokens
/** @type {families.Family | undefined} */
let family
let isBusy = false
/** When a replay that waits will be sent. @type {number | undefined} */
let replayAt

const needs = {
  'sign-in': () => metadata !== undefined,
  'call-api': () => tokens !== undefined,
  'create-order': () => tokens !== undefined,
  'call-without-token': () => config !== undefined,
  refresh: () => family !== undefined && !families.isDead(family),
  'replay-now': () => canReplay() && families.windowLeft(liveFamily(), Date.now()) > 0,
  'replay-late': () => canReplay(),
  'sign-out': () => tokens !== undefined,
}

const actions = {
  'sign-in': async () => location.assign(await oauth.beginSignIn(config, known())),
  'call-api': listOrders,
  'create-order': createOrder,
  'call-without-token': callWithoutToken,
  refresh: refreshNow,
  'replay-now': replayNow,
  'replay-late': replayLate,
  'sign-out': signOut,
}

function canReplay() {
  return family !== undefined && !families.isDead(family) && families.previous(family) !== undefined
}

function known() {
  if (!metadata) throw new Error('not discovered')
  return metadata
}

function liveFamily() {
  if (!family) throw new Error('no family')
  return family
}

// Step 3: the API.

const MY_ORDERS = '/users/me/orders?limit=10'

async function listOrders() {
  const done = await callApi('GET', config.api + MY_ORDERS)
  explainApi(done, 'The API found your id in the token and answered with your orders.', ordersOf(done))
}

/** What the API says can be done with an order, as buttons. @param {string} doing @param {string} url @param {any} order */
async function act(doing, url, order) {
  const done = await callApi('POST', url)
  const list = await callApi('GET', config.api + MY_ORDERS)
  const text = `“${order.item}” was ${doing}. See its links: what can’t be done any more is gone.`
  explainApi(done, text, ordersOf(list))
}

/** @param {import('./exchange.js').Exchange} done */
function ordersOf(done) {
  return done.status === 200 ? drawOrders(done.body.data, (...order) => run(() => act(...order))) : undefined
}

async function createOrder() {
  const item = ITEMS[Math.floor(Math.random() * ITEMS.length)]
  const order = { item, quantity: 1, amount_cents: 500 + Math.floor(Math.random() * 40) * 100, currency: 'EUR' }
  const done = await callApi('POST', `${config.api}/users/me/orders`, order)
  explainApi(done, `“${item}” was ordered: the token holds the scope orders:write. List your orders to see it.`)
}

async function callWithoutToken() {
  const done = await exchange(`${config.api}/users/me/orders`)
  explainApi(done, 'The API answered though no token was sent. That should not happen.')
}

/** A POST has a key of its own: sent twice, by accident or by a retry, it counts once. @param {string} method @param {string} url @param {unknown} [json] */
function callApi(method, url, json) {
  const headers = {
    authorization: `Bearer ${tokens?.access_token}`,
    ...(method === 'POST' ? { 'idempotency-key': `"${crypto.randomUUID()}"` } : {}),
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
  }
  return exchange(url, { method, headers, json })
}

const API_REFUSALS = new Map([
  [0, 'Nobody answered. Is the demo still running?'],
  [
    401,
    'The API wants a good token. Its challenge (www-authenticate) names what it needs, and where a client finds the issuer.',
  ],
  [429, 'Too many calls at once. Wait for as many seconds as retry-after says.'],
  [503, 'The API can’t reach the issuer to fetch its keys, so it can’t tell good tokens from bad ones.'],
])

/** @param {import('./exchange.js').Exchange & { status: number }} done @param {string} success @param {Node} [more] */
function explainApi(done, success, more) {
  const isGood = done.status >= 200 && done.status < 300
  const isExpired = done.status === 401 && /expired/.test(done.headers['www-authenticate'] ?? '')
  const refusal = isExpired
    ? 'Your access token has expired. Refresh below, then call again.'
    : (API_REFUSALS.get(done.status) ?? inWords(done.body))
  const text = isGood ? success : refusal
  show('api-result', words(text, isGood ? 'good' : 'careful'), ...(more ? [more] : []), drawExchange(done))
}

/** A problem (RFC 9457) says what is wrong. @param {any} problem */
function inWords(problem) {
  const text = problem?.detail ?? problem?.title
  return typeof text === 'string' ? `The API refused: ${text}.` : 'The API refused.'
}

// Step 4: refresh and replay.

async function refreshNow() {
  const live = liveFamily()
  const done = await oauth.refresh(config, known(), families.newest(live).token)
  if (done.status === 200) {
    families.succeed(live, done.body.refresh_token, Date.now())
    acceptTokens(done.body)
    report('A new access token, and a new refresh token. The old one is used up.', 'good', done)
  } else {
    reportRefusal('The server refused to refresh.', done)
  }
}

async function replayNow() {
  const live = liveFamily()
  const expected = families.newest(live).token
  const done = await oauth.refresh(config, known(), families.previous(live)?.token ?? '')
  if (done.status !== 200) return reportRefusal('Too late: the window was over, so the server took it for theft.', done)
  families.replay(live)
  acceptTokens(done.body)
  const isSame = done.body.refresh_token === expected
  const text = isSame
    ? 'The same successor once more. A lost answer or two tabs at once do no harm, and the family has not split: there is still one token in use.'
    : 'The server gave a different successor. The family has split in two, which should not happen.'
  return report(text, isSame ? 'good' : 'bad', done)
}

async function replayLate() {
  const live = liveFamily()
  const old = families.previous(live)?.token ?? ''
  replayAt = Date.now() + families.windowLeft(live, Date.now()) + MARGIN_MS
  show(
    'refresh-result',
    words('Waiting until the window has passed. Then the old token comes back, as if a thief had kept it.'),
  )
  tick()
  await new Promise((resolve) => setTimeout(resolve, (replayAt ?? 0) - Date.now()))
  replayAt = undefined
  const replayed = await oauth.refresh(config, known(), old)
  if (replayed.status === 200)
    return report(
      'This server keeps its window open for longer than 10 seconds. Try again in a while.',
      'careful',
      replayed,
    )
  const last = await oauth.refresh(config, known(), families.newest(live).token)
  if (last.status === 200) {
    families.succeed(live, last.body.refresh_token, Date.now())
    acceptTokens(last.body)
    return report('The old token was refused, but the newest still works.', 'careful', replayed, last)
  }
  families.end(live)
  return report(
    'Refused, and the family is dead: the server can’t know whether you or a thief came second, so nobody goes on. The newest token fails as well. Sign in again to begin a new family. (The access token lives out its minutes.)',
    'bad',
    replayed,
    last,
  )
}

/** @param {string} text @param {'good' | 'bad' | 'careful'} tone @param {...import('./exchange.js').Exchange} exchanges */
function report(text, tone, ...exchanges) {
  show('refresh-result', words(text, tone), ...exchanges.map(drawExchange))
}

/** @param {string} text @param {import('./exchange.js').Exchange} done */
function reportRefusal(text, done) {
  const isDead = done.body?.error === 'invalid_grant'
  if (isDead && family) families.end(family)
  report(
    isDead ? `${text} The family has ended; sign in again.` : `${text} Nothing has changed; try again.`,
    'bad',
    done,
  )
}

// Step 6.

function signOut() {
  const hint = tokens?.id_token
  tokens = undefined
  family = undefined
  events?.stop()
  location.assign(oauth.signOutUrl(config, known(), hint))
}

// Drawing.

/** @param {any} received */
function acceptTokens(received) {
  tokens = { access_token: received.access_token, id_token: received.id_token ?? tokens?.id_token }
  drawTokenInto('access-token', tokens.access_token)
  drawTokenInto('id-token', tokens.id_token)
  events?.follow(tokens.access_token)
}

/** @param {string} id @param {string | undefined} token */
function drawTokenInto(id, token) {
  const decoded = token && decode(token)
  if (decoded) show(id, drawToken(decoded))
  else
    show(
      id,
      element(
        'p',
        { class: 'empty' },
        token ? 'This token is opaque: only the server can read it.' : 'The server sent none.',
      ),
    )
}

/** Everything that depends on state or time; once a second, and after every action. */
function tick() {
  for (const [id, isPossible] of Object.entries(needs)) {
    byId(id).setAttribute('aria-disabled', String(replayAt !== undefined || !isPossible()))
  }
  byId('replay-late').textContent = lateLabel()
  drawStatus()
  drawTimer()
  if (!family) return
  const seconds = Math.ceil(families.windowLeft(family, Date.now()) / 1000)
  const region = byId('family')
  const drawn = drawFamily(family, seconds)
  const isNewlyLonger = region.querySelectorAll('li').length < family.members.length
  if (!region.firstElementChild?.isEqualNode(drawn)) region.replaceChildren(drawn)
  if (isNewlyLonger) region.scrollLeft = region.scrollWidth
  byId('family-hint').textContent = familyHint(seconds)
}

function lateLabel() {
  if (replayAt === undefined) return 'Replay after the window'
  return `Replaying in ${Math.max(0, Math.ceil((replayAt - Date.now()) / 1000))} s…`
}

/** @param {number} seconds */
function familyHint(seconds) {
  if (!family || families.isDead(family)) return ''
  if (!families.previous(family)) return 'Refresh first: there is no old token yet.'
  return seconds > 0 ? '' : 'The window is over. Refresh once more to replay inside it.'
}

function drawStatus() {
  const isDead = family !== undefined && families.isDead(family)
  const person = tokens?.id_token ? decode(tokens.id_token)?.payload : undefined
  const name = person?.name ?? person?.preferred_username ?? person?.sub
  const text = isDead ? 'Family revoked: sign in again' : tokens ? `Signed in as ${name ?? 'somebody'}` : 'Signed out'
  const status = byId('status')
  if (status.textContent !== text) status.textContent = text
  status.className = `status ${isDead ? 'bad' : tokens ? 'good' : ''}`
}

function drawTimer() {
  const claims = tokens && decode(tokens.access_token)?.payload
  const left = claims ? Math.max(0, claims.exp - Date.now() / 1000) : 0
  byId('timer-bar').style.setProperty('--left', String(claims ? Math.min(1, left / (claims.exp - claims.iat)) : 0))
  if (!claims) return
  const whole = Math.ceil(left)
  const clock = `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
  byId('timer-text').textContent = left > 0 ? `The access token expires in ${clock}` : 'The access token has expired'
}

function joinButtons() {
  for (const [id, action] of Object.entries(actions)) {
    const button = byId(id)
    button.addEventListener('click', async () => {
      if (button.getAttribute('aria-disabled') !== 'true') await run(action)
    })
  }
}

/** One thing at a time. @param {() => unknown} work */
async function run(work) {
  if (isBusy) return
  isBusy = true
  try {
    await work()
  } finally {
    isBusy = false
    tick()
  }
}

/** Tabs by the ARIA pattern: one stop for Tab, arrows between them. */
function joinTabs() {
  const tabs = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[role=tab]')])
  const select = (/** @type {HTMLElement} */ chosen) => {
    for (const tab of tabs) {
      tab.setAttribute('aria-selected', String(tab === chosen))
      tab.tabIndex = tab === chosen ? 0 : -1
      byId(tab.getAttribute('aria-controls') ?? '').hidden = tab !== chosen
    }
  }
  for (const [index, tab] of tabs.entries()) {
    tab.addEventListener('click', () => select(tab))
    tab.addEventListener('keydown', ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key]
      const next = step && tabs[(index + step + tabs.length) % tabs.length]
      if (!next) return
      select(next)
      next.focus()
    })
  }
}

// The way in.

async function start() {
  const here = new URL(location.href)
  const { status, body } = await exchange('/playground/config.json')
  if (status !== 200) return show('alert', notice('bad', 'The demo does not answer.'))
  config = body
  // Only this origin is registered as redirect URI and may read the token endpoint's answers.
  if (here.origin !== config.resource) return location.replace(config.resource + here.pathname + here.search)
  // A code must not stay in the address bar or the history.
  if (oauth.isReturn(here)) history.replaceState(null, '', '/')
  events = createEventPanel(config)
  byId('account').setAttribute('href', `${config.issuer}/account`)
  byId('issuer').textContent = config.issuer
  byId('api').textContent = config.resource
  byId('discovery').setAttribute('href', `${config.issuer}/.well-known/openid-configuration`)
  if (!config.client_id) return show('alert', howToMakeClient())
  try {
    metadata = await oauth.discover(config)
    if (oauth.isReturn(here)) await finishSignIn(here)
  } catch (error) {
    if (!(error instanceof oauth.SignInError)) throw error
    show('alert', notice('bad', error.message))
    if (error.exchanges.length > 0) show('sign-in-result', pair(error.exchanges))
  }
}

/** @param {URL} here */
async function finishSignIn(here) {
  const { tokens: received, exchanges } = await oauth.completeSignIn(config, known(), here)
  acceptTokens(received)
  if (received.refresh_token) family = families.beginFamily(received.refresh_token)
  const person = tokens?.id_token ? decode(tokens.id_token)?.payload : undefined
  show(
    'sign-in-result',
    words(
      `You are ${person?.name ?? person?.sub ?? 'signed in'}. The code came by way of your browser; the tokens came straight to this tab.`,
      'good',
    ),
    pair(exchanges),
  )
}

/** @param {import('./exchange.js').Exchange[]} exchanges */
function pair(exchanges) {
  return element('div', { class: 'pair' }, ...exchanges.map(drawExchange))
}

function howToMakeClient() {
  const { resource } = config
  const commands = [
    `npx grantry resource create --audience ${resource} --name "Demo orders API" --scope "orders:read=See your orders" --scope "orders:write=Place orders for you"`,
    `npx grantry client create --kind spa --name Playground --redirect-uri ${resource}/callback --redirect-uri ${resource}/api/docs/callback --post-logout-redirect-uri ${resource}/ --origin ${resource} --allow "${resource} orders:read orders:write"`,
  ]
  return notice(
    'careful',
    'This page has no client yet.',
    element(
      'p',
      {},
      'Register this API and a public client for this page, then start the demo with the client’s id in DEMO_CLIENT_ID:',
    ),
    ...commands.map((command) => element('pre', {}, command)),
  )
}

joinButtons()
joinTabs()
try {
  await start()
} finally {
  tick()
  setInterval(tick, 1_000)
}
