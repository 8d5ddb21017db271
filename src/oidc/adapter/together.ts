import { createBatch } from '../../database/batch.ts'

export interface TogetherOptions<Question, Answer> {
  /** One statement for all. It never waits for a lock: `undefined` for those whose rows others hold, or that failed. */
  together: (questions: Question[]) => Promise<(Answer | undefined)[]>
  /** The statement for one, which waits for locks and says what is wrong. */
  alone: (question: Question) => Promise<Answer>
  keyOf?: (question: Question) => string
}

/**
 * Writes of many requests in one statement and one commit. What nobody else is touching goes together; everything else, a
 * token that is presented twice or whose family is being revoked, goes the long way by itself, so that nobody waits for a
 * stranger's lock and the rules for such cases stand in one place.
 */
export function together<Question, Answer>({
  together: all,
  alone,
  keyOf,
}: TogetherOptions<Question, Answer>): (question: Question) => Promise<Answer> {
  const ask = (questions: Question[]) =>
    all(questions).catch((error: unknown) => {
      if (!isUndone(error)) throw error
      return questions.map(() => undefined)
    })
  const batch = createBatch<Question, Answer | undefined>({ ask, ...(keyOf && { keyOf }) })
  return async (question) => (await batch(question)) ?? alone(question)
}

/** The database refused the statement and did nothing: data that does not fit (22, 23), or a deadlock (40). */
function isUndone(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^(?:22|23|40)[0-9A-Z]{3}$/.test(code)
}
