/** Draws orders, each with what the API says can be done with it: an order that was sent off has no button to call it off. */
import { element } from './view.js'

/** What a link is called, and what has happened once it was followed. @type {[string, string, string][]} */
const DEEDS = [
  ['ship', 'Ship', 'sent off'],
  ['cancel', 'Cancel', 'called off'],
]

/** @param {any[]} orders @param {(doing: string, url: string, order: any) => void} act */
export function drawOrders(orders, act) {
  return element('ul', { class: 'orders', 'aria-label': 'Orders' }, ...orders.map((order) => drawOrder(order, act)))
}

/** @param {any} order @param {(doing: string, url: string, order: any) => void} act */
function drawOrder(order, act) {
  const { item, items, amount_cents: cents, currency, status, links } = order
  const more = items.length > 1 ? ` and ${items.length - 1} more` : ''
  const price = new Intl.NumberFormat('en', { style: 'currency', currency }).format(cents / 100)
  const buttons = DEEDS.filter(([link]) => links[link]).map(([link, label, done]) => {
    const button = element('button', { type: 'button', 'aria-label': `${label} “${item}”` }, label)
    button.addEventListener('click', () => act(done, links[link], order))
    return button
  })
  return element(
    'li',
    {},
    element('span', { class: 'what' }, item + more),
    element('span', { class: 'price' }, price),
    element('span', { class: `tag ${status === 'cancelled' ? 'bad' : status === 'shipped' ? 'good' : ''}` }, status),
    element('span', { class: 'deeds' }, ...buttons),
  )
}
