/** Everything that this API can refuse, beside what every API of the kit can. */
import { commonProblems, problemsOf, type ProblemCatalogue } from '../http/problem.ts'
import { MOST_ITEMS, MOST_ORDERS } from './orders/order.ts'

export const demoProblems = {
  ...commonProblems,
  'not-your-orders': {
    status: 403,
    title: 'These are the orders of somebody else',
    about: 'Only the person themselves, and whoever has the role orders-admin, may see or place these orders.',
    de: {
      title: 'Das sind die Bestellungen von jemand anderem',
      about: 'Nur die Person selbst und wer die Rolle orders-admin hat, darf diese Bestellungen sehen oder aufgeben.',
    },
  },
  'not-your-events': {
    status: 403,
    title: 'These are the events of somebody else',
    about: 'What happens to an account is told to the person themselves. No role opens the events of others.',
    de: {
      title: 'Das sind die Ereignisse von jemand anderem',
      about:
        'Was mit einem Konto geschieht, erfährt nur die Person selbst. Keine Rolle öffnet die Ereignisse von anderen.',
    },
  },
  'webhook-not-verified': {
    status: 400,
    title: 'The delivery is not signed as it should be',
    about:
      'A webhook is signed by Standard Webhooks with the secret of this receiver, a moment ago, over exactly the bytes that arrive.',
    de: {
      title: 'Die Zustellung ist nicht richtig signiert',
      about:
        'Ein Webhook ist nach Standard Webhooks mit dem Geheimnis dieses Empfängers signiert, vor einem Augenblick, über genau die Bytes, die ankommen.',
    },
  },
  'orders-admin-only': {
    status: 403,
    title: 'Only an orders-admin may do this',
    about: 'Orders are sent off by people who have the role orders-admin.',
    de: { title: 'Das darf nur ein orders-admin', about: 'Bestellungen versendet, wer die Rolle orders-admin hat.' },
  },
  // RFC 9457 §3 answers the like of it with 403. 400 would say that the request was malformed, which it is not.
  'insufficient-funds': {
    status: 403,
    title: 'Insufficient funds',
    about:
      'Orders in EUR are paid from the balance of their owner. `balance` is what is there and `required` what the order ' +
      'would take, both in `currency`. Cancel or delete an order to get its money back.',
    de: {
      title: 'Das Guthaben reicht nicht',
      about:
        'Bestellungen in EUR werden vom Guthaben ihres Besitzers bezahlt. `balance` ist, was da ist, und `required`, was die Bestellung kosten würde, beides in `currency`. Wer eine Bestellung storniert oder löscht, bekommt ihr Geld zurück.',
    },
  },
  'order-not-found': {
    status: 404,
    title: 'There is no such order',
    about: 'This person has no order with this id.',
    de: { title: 'Diese Bestellung gibt es nicht', about: 'Diese Person hat keine Bestellung mit dieser Id.' },
  },
  'item-not-found': {
    status: 404,
    title: 'There is no such item',
    about: 'The order has no item with this id.',
    de: { title: 'Diesen Posten gibt es nicht', about: 'Die Bestellung hat keinen Posten mit dieser Id.' },
  },
  'too-many-orders': {
    status: 409,
    title: 'There is no room for another order',
    about: `The demo keeps at most ${MOST_ORDERS} orders for each person. Delete some.`,
    de: {
      title: 'Für eine weitere Bestellung ist kein Platz',
      about: `Die Demo bewahrt für jede Person höchstens ${MOST_ORDERS} Bestellungen auf. Löschen Sie welche.`,
    },
  },
  'too-many-items': {
    status: 409,
    title: 'There is no room for another item',
    about: `An order has at most ${MOST_ITEMS} items. Place another order.`,
    de: {
      title: 'Für einen weiteren Posten ist kein Platz',
      about: `Eine Bestellung hat höchstens ${MOST_ITEMS} Posten. Geben Sie eine weitere auf.`,
    },
  },
  'last-item': {
    status: 409,
    title: 'An order needs an item',
    about: 'The last item of an order can not be removed. Cancel or delete the order instead.',
    de: {
      title: 'Eine Bestellung braucht einen Posten',
      about: 'Der letzte Posten einer Bestellung bleibt. Stornieren oder löschen Sie stattdessen die Bestellung.',
    },
  },
  'several-items': {
    status: 409,
    title: 'The order has several items',
    about:
      '`item`, `quantity` and `amount_cents` speak of an order with one item. Send `items` (from version 2 on), or change ' +
      'each item at `/orders/{order_id}/items/{item_id}`.',
    de: {
      title: 'Die Bestellung hat mehrere Posten',
      about:
        '`item`, `quantity` und `amount_cents` sprechen von einer Bestellung mit einem Posten. Senden Sie `items` (ab Version 2), oder ändern Sie jeden Posten unter `/orders/{order_id}/items/{item_id}`.',
    },
  },
  'order-shipped': {
    status: 409,
    title: 'The order was sent off',
    about: 'What was sent off can not be changed, cancelled or deleted any more.',
    de: {
      title: 'Die Bestellung wurde versandt',
      about: 'Was versandt ist, kann nicht mehr geändert, storniert oder gelöscht werden.',
    },
  },
  'order-cancelled': {
    status: 409,
    title: 'The order was cancelled',
    about: 'It can not be changed any more; it can be deleted. Place a new order.',
    de: {
      title: 'Die Bestellung wurde storniert',
      about: 'Sie kann nicht mehr geändert, aber gelöscht werden. Geben Sie eine neue auf.',
    },
  },
} satisfies ProblemCatalogue

export const problem = problemsOf(demoProblems)
