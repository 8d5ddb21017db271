/** The reference page: unfolds, finds, copies, and hands the rest to the parts that know. */
import { byId } from './dom.js'
import * as signIn from './sign-in.js'
import { openForm } from './try.js'

const base = document.querySelector('main')?.dataset.base ?? ''
const dialog = byId('credentials')

document.addEventListener('click', (event) => {
  const target = /** @type {HTMLElement} */ (event.target)
  const button = target.closest('button')
  if (button?.dataset.copy) void copy(button)
  if (button?.dataset.try) openForm(button, base)
  const anchor = target.closest('a')
  // A second click on the same link changes no address, but the operation may have been folded meanwhile.
  if (anchor?.hash && anchor.hash === location.hash) unfold()
})

/** @param {HTMLButtonElement} button */
async function copy(button) {
  const text = byId(button.dataset.copy ?? '').textContent
  await navigator.clipboard.writeText(text)
  const label = /** @type {ChildNode} */ (button.firstChild)
  label.textContent = 'Copied'
  setTimeout(() => (label.textContent = 'Copy'), 2000)
}

/** Opens the operation that the address names, and marks it on the left. */
function unfold() {
  const id = decodeURIComponent(location.hash.slice(1))
  const operation = document.querySelector(`[data-operation="${CSS.escape(id)}"]`)
  for (const link of document.querySelectorAll('nav [aria-current]')) link.removeAttribute('aria-current')
  document.querySelector(`nav a[href="#${CSS.escape(id)}"]`)?.setAttribute('aria-current', 'true')
  if (!operation) return
  operation.setAttribute('open', '')
  operation.scrollIntoView()
}
addEventListener('hashchange', unfold)

/** Hides the operations that don't have every word. */
function filter() {
  const words = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean)
  let count = 0
  for (const entry of document.querySelectorAll('[data-entry]')) {
    const matches = words.every((word) => entry.dataset.words.includes(word))
    entry.hidden = !matches
    document.querySelector(`[data-operation="${entry.dataset.entry}"]`).hidden = !matches
    if (matches) count += 1
  }
  for (const group of document.querySelectorAll('[data-group]')) {
    const isEmpty = words.length > 0 && !group.querySelector('[data-entry]:not([hidden])')
    group.hidden = isEmpty
    byId(group.dataset.group).hidden = isEmpty
  }
  byId('nothing').hidden = count > 0
  byId('filter-count').textContent = words.length > 0 ? `${count} found` : ''
}
byId('filter').addEventListener('input', filter)
byId('filter').addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && event.target.value !== '') {
    event.target.value = ''
    filter()
  }
})

// Credentials.

function showCredentials() {
  const held = signIn.current()
  const state = byId('credentials-state')
  state.className = held ? 'state good' : 'state'
  state.textContent = held ? (held.kind === 'key' ? 'API key in use' : 'Signed in') : 'No credentials'
  byId('credentials-open').classList.toggle('held', Boolean(held))
  byId('forget').hidden = !held
  byId('sign-in-scopes').textContent = held?.scopes.length ? `Scopes you have: ${held.scopes.join(', ')}` : ''
}

/** @param {unknown} error */
function complain(error) {
  byId('credentials-problem').textContent = error instanceof signIn.SignInError ? error.message : 'This did not work.'
  if (!dialog.open) dialog.showModal()
}

byId('credentials-open').addEventListener('click', () => dialog.showModal())
dialog.querySelector('[data-close]').addEventListener('click', () => dialog.close())
byId('sign-in').addEventListener('click', () => signIn.begin().catch(complain))
byId('forget').addEventListener('click', () => {
  signIn.forget()
  showCredentials()
})
byId('key-form')?.addEventListener('submit', (event) => {
  event.preventDefault()
  signIn.useKey(byId('key').value.trim())
  byId('key').value = ''
  byId('credentials-problem').textContent = ''
  showCredentials()
  dialog.close()
})

async function start() {
  unfold()
  const settings = await signIn.prepare(dialog.dataset.signIn).catch(() => undefined)
  byId('sign-in-part').hidden = !settings
  if (!settings) return
  const url = new URL(location.href)
  if (url.origin + url.pathname !== settings.redirect_uri) return
  // The code leaves the address before anything else: no reload and no history entry may present it again.
  history.replaceState(null, '', url.pathname.replace(/\/callback$/, ''))
  const hash = await signIn.complete(url)
  if (hash) location.hash = hash
  showCredentials()
}
start().catch(complain)
