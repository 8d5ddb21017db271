/**
 * Server-sent events over fetch, because an EventSource can send no token. Goes on behind the last event after every break;
 * ends with its token, and goes on with the next one.
 */
import { exchange } from './exchange.js'

/**
 * @typedef {{ id: string, type: string, at: string, subject: string | null, client_id: string | null, data: any }} AccountEvent
 * @typedef {'live' | 'waiting' | 'expired' | 'refused'} State
 * @typedef {object} Listener
 * @property {(events: AccountEvent[]) => void} onStart what was there already, newest first; once
 * @property {(event: AccountEvent) => void} onEvent
 * @property {(state: State) => void} onState
 */

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 30_000

/** @param {string} url @param {Listener} listener */
export function createEventStream(url, { onStart, onEvent, onState }) {
  /** The cursor of the last event. @type {string | undefined} */
  let cursor
  let current = new AbortController()

  /** @param {string} token @param {AbortSignal} signal */
  async function run(token, signal) {
    for (let pause = FIRST_PAUSE_MS; !signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const outcome = await attempt(token, signal)
      if (signal.aborted) return
      if (outcome !== 'live' && outcome !== 'waiting') return onState(outcome)
      if (outcome === 'live') pause = FIRST_PAUSE_MS
      onState('waiting')
      await sleep(pause, signal)
    }
  }

  /** @param {string} token @param {AbortSignal} signal @returns {Promise<State>} how it ended; `live`: it worked for a while */
  async function attempt(token, signal) {
    const authorization = `Bearer ${token}`
    if (cursor === undefined) {
      const { status, body } = await exchange(url, { headers: { authorization } })
      if (signal.aborted || status !== 200) return stateOf(status)
      cursor = body.cursor
      onStart(body.data)
    }
    const headers = { authorization, accept: 'text/event-stream', 'last-event-id': cursor ?? '0' }
    const response = await fetch(url, { headers, signal, credentials: 'omit', cache: 'no-store', redirect: 'error' })
      .catch(() => undefined) // prettier-ignore
    if (!response?.ok || !response.body) return stateOf(response?.status ?? 0)
    onState('live')
    return read(response.body, signal)
  }

  /** @param {ReadableStream<Uint8Array>} body @param {AbortSignal} signal @returns {Promise<State>} */
  async function read(body, signal) {
    try {
      for await (const { id, event, data } of messages(body)) {
        if (signal.aborted) break
        if (event === 'end') return 'expired'
        cursor = id ?? cursor
        if (data !== undefined) onEvent(JSON.parse(data))
      }
    } catch {
      // Broken off; whoever called comes back.
    }
    return 'live'
  }

  return {
    /** Follows with this token from now on, where the one before ended. @param {string} token */
    follow(token) {
      current.abort()
      current = new AbortController()
      void run(token, current.signal)
    },
    stop() {
      current.abort()
    },
  }
}

/** What an answer means for whoever wants to follow. @param {number} status @returns {State} */
function stateOf(status) {
  if (status === 401) return 'expired'
  return status === 0 || status === 429 || status >= 500 ? 'waiting' : 'refused'
}

/** The messages of a stream (WHATWG HTML §9.2.6), as far as our API makes use of them. @param {ReadableStream<Uint8Array>} body */
async function* messages(body) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader()
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const blocks = (text + value).split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) yield fieldsOf(block)
  }
}

/** @param {string} block @returns {{ id?: string, event?: string, data?: string }} */
function fieldsOf(block) {
  const fields = block.split('\n').map((line) => /^(\w+): ?(.*)$/.exec(line)?.slice(1) ?? [])
  return Object.fromEntries(fields.filter(([name]) => name))
}

/** @param {number} milliseconds @param {AbortSignal} signal */
function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve(undefined)), { once: true })
  })
}
