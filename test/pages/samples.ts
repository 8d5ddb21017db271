/** Every page in the states a person can meet it in: what the tests of this folder render. */
import type { ConsentModel, PageModels, PageName } from '../../src/interactions/pages/models.ts'

export const NOW = new Date('2026-11-22T12:00:00Z')

const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000)
const HOUR = 3600
const DAY = 86_400

/** 200 characters without a place to break, as long as a client's name may be. */
export const LONG = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'
  .repeat(3)
  .slice(0, 200)

/** Right-to-left text behind an override that would turn the rest of the line round. */
export const RIGHT_TO_LEFT = '\u202eمحمد أحمد – تطبيق\u202c'

const csrf = 'kq2yPsZ0t5'
const alice = { name: 'Alice Example', username: 'alice' }

const login = {
  action: '/interaction/a1b2/login',
  cancelAction: '/interaction/a1b2/cancel',
  csrf,
  clientName: 'Example App',
}

const device = { action: '/device', xsrf: csrf, isGiven: false, switchAccount: false }

const consent: ConsentModel = {
  action: '/interaction/a1b2/consent',
  cancelAction: '/interaction/a1b2/cancel',
  switchAccountAction: '/interaction/a1b2/switch',
  csrf,
  clientName: 'Example App',
  clientId: 'cli_k5xqzj4m7wqk2nq5u3l6r7ta2e',
  clientUri: 'https://app.example.com/',
  redirectHost: 'app.example.com',
  redirectIsLoopback: false,
  user: alice,
  scopes: [
    {
      group: 'Your account',
      items: [
        { name: 'openid', description: 'Recognise you when you sign in', alreadyGranted: true },
        { name: 'email', description: 'See your email address', alreadyGranted: false },
      ],
    },
    {
      group: 'Orders',
      items: [
        { name: 'orders:read', description: 'See your orders', alreadyGranted: false },
        { name: 'orders:write', description: '', alreadyGranted: false },
      ],
    },
  ],
  accessSeconds: 300,
  offline: { bound: 'session', seconds: 14 * DAY },
  remembered: true,
  firstParty: false,
}

const manyScopes = Array.from({ length: 40 }, (_, index) => ({
  name: index === 7 ? `${LONG.slice(0, 90)}:read` : `service-${index}:read`,
  description: index === 9 ? LONG : `Read the records of department number ${index + 1}`,
  alreadyGranted: index % 5 === 0,
}))

const CHROME_LINUX =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36'
const SAFARI_IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1'

const account: PageModels['account'] = {
  csrf,
  user: alice,
  signOutAction: '/account/sign-out',
  sessions: [
    {
      uid: 's1',
      current: true,
      userAgent: CHROME_LINUX,
      address: '203.0.113.7',
      signedInAt: ago(2 * HOUR),
      lastSeenAt: ago(5),
    },
    {
      uid: 's2',
      current: false,
      userAgent: SAFARI_IPHONE,
      address: '2001:db8:85a3::8a2e:370:7334',
      signedInAt: ago(3 * DAY),
      lastSeenAt: ago(20 * HOUR),
    },
    { uid: 's3', current: false, userAgent: null, address: null, signedInAt: null, lastSeenAt: ago(8 * DAY) },
  ],
  apps: [
    {
      clientId: 'cli_k5xqzj4m7wqk2nq5u3l6r7ta2e',
      name: 'Example App',
      firstParty: false,
      scopes: [
        { name: 'openid', description: 'Recognise you when you sign in' },
        { name: 'orders:read', description: 'See your orders' },
      ],
      since: ago(40 * DAY),
      lastUsedAt: ago(3 * HOUR),
      families: 2,
    },
    {
      clientId: 'cli_77xqzj4m7wqk2nq5u3l6r7ta2e',
      name: 'Playground',
      firstParty: true,
      scopes: [],
      since: null,
      lastUsedAt: null,
      families: 0,
    },
  ],
}

const longAccount: PageModels['account'] = {
  ...account,
  user: { name: LONG, username: LONG.slice(0, 64) },
  apps: [LONG, RIGHT_TO_LEFT].map((name, index) => ({
    clientId: `cli_${index}`,
    name,
    firstParty: true,
    scopes: manyScopes,
    since: ago(400 * DAY),
    lastUsedAt: ago(40 * DAY),
    families: 1,
  })),
  sessions: [{ uid: 's1', current: true, userAgent: LONG, address: LONG, signedInAt: ago(0), lastSeenAt: ago(-30) }],
}

/** By page, then by the name of the state. */
export const SAMPLES: { [P in PageName]: Record<string, PageModels[P]> } = {
  login: {
    first: login,
    hinted: { ...login, loginHint: 'alice@example.com', switchAccount: true },
    wrong: { ...login, loginHint: 'alice', error: 'wrong' },
    throttled: { ...login, loginHint: 'alice', error: 'throttled', retryAfterSeconds: 95 },
    busy: { ...login, loginHint: '', error: 'busy' },
    long: { ...login, clientName: LONG, loginHint: LONG, error: 'wrong' },
    rtl: { ...login, clientName: RIGHT_TO_LEFT, loginHint: 'محمد' },
    nameless: { ...login, clientName: '\u200b\u202e ' },
  },
  consent: {
    usual: consent,
    firstParty: { ...consent, firstParty: true, offline: { bound: 'absolute', seconds: 90 * DAY } },
    loopback: {
      ...consent,
      clientName: 'Terminal',
      clientUri: undefined,
      redirectHost: '127.0.0.1',
      redirectIsLoopback: true,
      remembered: false,
      offline: null,
    },
    nothing: { ...consent, scopes: [], user: { name: null, username: 'alice' } },
    long: {
      ...consent,
      clientName: LONG,
      clientId: LONG,
      clientUri: `https://${'a'.repeat(60)}.example/${LONG}`,
      redirectHost: `${'sub.'.repeat(50)}example.com`,
      user: { name: LONG, username: LONG.slice(0, 64) },
      scopes: [
        { group: LONG, items: manyScopes },
        { group: 'Empty', items: [] },
      ],
      offline: { bound: 'absolute', seconds: 90_061 },
      accessSeconds: 5400,
    },
    device: { ...consent, clientName: 'Television', redirectHost: undefined, userCode: 'WDJB-MJHT', remembered: false },
    rtl: { ...consent, clientName: RIGHT_TO_LEFT, user: { name: 'محمد أحمد', username: 'mohamed' } },
  },
  device: {
    empty: device,
    given: { ...device, userCode: 'WDJB-MJHT', isGiven: true },
    unknown: { ...device, userCode: 'wdjb mjht', problem: 'unknown' },
    missing: { ...device, problem: 'missing' },
    expired: { ...device, userCode: 'WDJB-MJHT', problem: 'expired' },
    used: { ...device, userCode: 'WDJB-MJHT', problem: 'used', switchAccount: true },
    throttled: { ...device, userCode: 'WDJB-MJHT', problem: 'throttled', retryAfterSeconds: 95 },
    long: { ...device, userCode: LONG.slice(0, 40), isGiven: true },
  },
  'device-done': {
    approved: { outcome: 'approved', clientName: 'Example App' },
    nameless: { outcome: 'approved' },
    refused: { outcome: 'refused', clientName: 'Example App' },
    long: { outcome: 'approved', clientName: LONG },
  },
  logout: {
    own: { action: '/session/end/confirm', xsrf: csrf },
    asked: { action: '/session/end/confirm', xsrf: csrf, clientName: 'Example App' },
    long: { action: '/session/end/confirm', xsrf: csrf, clientName: LONG },
  },
  'logged-out': { all: {}, app: { clientName: 'Example App' }, long: { clientName: LONG } },
  error: {
    short: { code: 'server_error', traceId: '4bf92f3577b34da6a3ce929d0e0e4736' },
    full: {
      code: 'invalid_redirect_uri',
      description: "redirect_uri did not match any of the client's registered redirect_uris",
      clientName: 'Example App',
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      hint: 'Ask the people who run the app to register its new address.',
    },
    long: { code: LONG, description: LONG, clientName: LONG, traceId: LONG, hint: LONG },
  },
  expired: {
    plain: {},
    app: { clientName: 'Example App' },
    restart: { clientName: 'Example App', restartUri: 'https://app.example.com/login' },
    own: { restartUri: '/account' },
    long: { clientName: LONG, restartUri: `https://example.com/${LONG}` },
  },
  account: {
    usual: account,
    empty: { ...account, sessions: [], apps: [], user: { name: null, username: 'alice' }, notice: 'session-ended' },
    changed: { ...account, notice: 'password-changed' },
    wrongPassword: { ...account, passwordError: 'wrong-current' },
    mismatch: { ...account, passwordError: 'mismatch' },
    throttled: { ...account, passwordError: 'throttled' },
    refused: { ...account, passwordError: 'too_common' },
    long: longAccount,
  },
  'not-found': { plain: {} },
}

export interface Sample {
  page: PageName
  state: string
  model: PageModels[PageName]
}

/** All of them in one list. */
export const ALL_SAMPLES: Sample[] = Object.entries(SAMPLES).flatMap(([page, states]) =>
  Object.entries(states).map(([state, model]) => ({
    page: page as PageName,
    state,
    model: model as PageModels[PageName],
  })),
)
