/** Everything this API can refuse, and the page that explains it. */
import { commonProblems, problemsOf, type ProblemCatalogue } from '../http/problem.ts'

export const demoProblems = {
  ...commonProblems,
  'not-your-orders': {
    status: 403,
    title: 'These are the orders of somebody else',
    about: 'Only the person themselves, and whoever has the role orders-admin, may see or place these orders.',
  },
  'order-not-found': { status: 404, title: 'There is no such order', about: 'This person has no order with this id.' },
  'too-many-orders': {
    status: 409,
    title: 'There is no room for another order',
    about: 'The demo keeps at most 100 orders for each person.',
  },
} satisfies ProblemCatalogue

export const problem = problemsOf(demoProblems)

/** Where the `type` of every problem leads: `/problems#order-not-found`. */
export function problemsPage(): string {
  const entries = Object.entries(demoProblems).map(
    ([code, { status, title, about }]) =>
      `<dt id="${code}"><code>${code}</code> · ${status} · ${title}</dt><dd>${about}</dd>`,
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Problems of the orders API</title>
<h1>Problems of the orders API</h1>
<dl>
${entries.join('\n')}
</dl>
</html>
`
}
