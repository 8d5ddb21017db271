/** Under test, answers are held against what the operation declares: a document that says otherwise is a bug. */
import { commonProblems, problemsOf } from '../problem.ts'
import { pointerTo } from './input-errors.ts'
import type { Answer, Operation } from './operation.ts'

const problem = problemsOf(commonProblems)

/** @throws Problem 500 that says where */
export function checkAnswer(operation: Operation, status: number, answer: Answer): void {
  const fail = (what: string) => {
    const detail = `${operation.id} answered what it does not declare: ${what}`
    throw problem('internal-error', { detail, cause: new Error(detail) })
  }
  const rules = operation.responses[status]
  if (!rules) return fail(`status ${status}`)
  const parts = answer.list ? answer.list.items : answer.body ? [answer.body] : []
  if (!rules.schema) return parts.length > 0 && !rules.mediaType ? fail('a body') : undefined
  if (!answer.list && !answer.body) return fail('no body')
  for (const part of parts) {
    const sent: unknown = JSON.parse(JSON.stringify(part))
    const result = rules.schema.safeParse(sent)
    if (!result.success) {
      return fail(result.error.issues.map(({ path, message }) => `${pointerTo(path)} ${message}`).join('; '))
    }
    const unknown = undeclared(sent, result.data)
    if (unknown) return fail(`${unknown} is not declared`)
  }
  return undefined
}

/** The first place of `sent` that the schema dropped without a word. */
function undeclared(sent: unknown, kept: unknown, path: readonly PropertyKey[] = []): string | undefined {
  if (typeof sent !== 'object' || sent === null) return undefined
  if (typeof kept !== 'object' || kept === null) return undefined
  for (const [name, value] of Object.entries(sent)) {
    if (!Object.hasOwn(kept, name)) return pointerTo([...path, name])
    const inner = undeclared(value, (kept as Record<string, unknown>)[name], [...path, name])
    if (inner) return inner
  }
  return undefined
}
