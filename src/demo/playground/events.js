/** The panel of events: what happened to the person's account, in words, newest first. */
import { createEventStream } from './event-stream.js'
import { shorten } from './oauth.js'
import { byId, element } from './view.js'

/**
 * @typedef {import('./oauth.js').Config & { events: boolean }} Config
 * @typedef {import('./event-stream.js').AccountEvent} AccountEvent
 */

const MOST = 50

/** @type {Record<string, [words: string, tone?: 'good' | 'bad']>} */
const WORDS = {
  'user.created': ['Your account was made', 'good'],
  'user.updated': ['Your account was changed'],
  'user.disabled': ['Your account was disabled', 'bad'],
  'user.enabled': ['Your account was enabled again', 'good'],
  'user.deleted': ['Your account was deleted', 'bad'],
  'user.password_changed': ['Your password was changed'],
  'user.signed_out': ['You were signed out everywhere'],
  'session.started': ['You are signed in in another browser', 'good'],
  'session.ended': ['You were signed out in a browser'],
  'login.succeeded': ['You signed in with your password', 'good'],
  'login.failed': ['Somebody tried to sign in as you, with a wrong password', 'bad'],
  'login.throttled': ['Sign-in as you was slowed down after wrong passwords', 'bad'],
  'consent.granted': ['You allowed an app to act for you', 'good'],
  'consent.skipped': ['An app of this server began to act for you'],
  'consent.withdrawn': ['You took an app’s permission back'],
  'grant.revoked': ['A family of tokens ended'],
  'token.revoked': ['A token was revoked'],
  'refresh_token.reuse_detected': ['A used refresh token came back: its family is dead', 'bad'],
  'device_code.reuse_detected': ['A used device code came back: what it gave is dead', 'bad'],
  'authorization_code.reuse_detected': ['A used code came back: what it gave is dead', 'bad'],
}

const STATES = {
  idle: 'Sign in to follow.',
  live: 'Live. Try it: open your account in another window, and take this page’s permission back.',
  waiting: 'The connection broke off. Trying again…',
  expired: 'The access token has ended, and the stream with it. Refresh above to go on.',
  refused: 'The API refused to tell.',
  off: 'This demo takes no webhooks: DEMO_WEBHOOK_SECRET is not set.',
}

/** @param {Config} config */
export function createEventPanel(config) {
  /** Newest first. @type {AccountEvent[]} */
  let known = []
  const region = byId('events')
  const stream = createEventStream(`${config.api}/users/me/events`, {
    onStart(events) {
      known = events
      draw()
    },
    onEvent(event) {
      if (known.some(({ id }) => id === event.id)) return
      known = [event, ...known].slice(0, MOST)
      draw()
      byId('events-news').textContent = `${wordsOf(event)[0]}.`
    },
    onState: tell,
  })

  /** New nodes each time: nothing that was there moves, and whoever has scrolled down stays where they read. */
  function draw() {
    const before = region.scrollTop === 0 ? undefined : region.scrollHeight - region.scrollTop
    const nothing = element('p', { class: 'empty' }, 'Nothing has happened yet.')
    region.replaceChildren(known.length === 0 ? nothing : element('ol', { class: 'events' }, ...known.map(drawEvent)))
    region.scrollTop = before === undefined ? 0 : region.scrollHeight - before
  }

  tell(config.events ? 'idle' : 'off')
  return {
    /** @param {string} token */
    follow(token) {
      if (config.events) stream.follow(token)
    },
    stop() {
      stream.stop()
      tell('idle')
    },
  }
}

/** @param {keyof typeof STATES} state */
function tell(state) {
  byId('events-state').textContent = STATES[state]
}

/** @param {AccountEvent} event */
function drawEvent(event) {
  const [words, tone = ''] = wordsOf(event)
  const { at, type, subject, client_id: clientId, data } = event
  const ids = [...new Set([clientId, subject])].filter((id) => id !== null)
  const address = typeof data?.address === 'string' ? [`from ${data.address}`] : []
  return element(
    'li',
    {},
    element('span', { class: 'what' }, words),
    element('time', { datetime: at }, timeOf(at)),
    element(
      'span',
      { class: 'facts' },
      element('span', { class: `tag ${tone}` }, type),
      element('span', {}, [...ids.map((id) => shorten(id)), ...address].join(' · ')),
    ),
  )
}

/** @param {AccountEvent} event */
function wordsOf({ type }) {
  return (Object.hasOwn(WORDS, type) ? WORDS[type] : undefined) ?? ['Something happened to your account']
}

/** @param {string} at */
function timeOf(at) {
  const time = new Date(at)
  const isToday = time.toDateString() === new Date().toDateString()
  return isToday ? time.toLocaleTimeString() : time.toLocaleString()
}
