/** Goes through lists page by page. */
import { UnexpectedAnswerError } from './errors.ts'
import type { Answer, List, Page, Pagination, Query } from './operation.ts'

/**
 * @param by the parameter that takes the cursor
 * @param fetchPage asks for the page that the query names
 */
export function createList<T>(
  by: 'cursor' | 'after',
  query: Query,
  fetchPage: (query: Query) => Promise<Answer<unknown>>,
): List<T> {
  const read = async (wanted: Query) => readPage<T>(await fetchPage(wanted))
  const pages = async function* (): AsyncGenerator<Page<T>> {
    for (let wanted: Query | undefined = query; wanted;) {
      const page: Page<T> = await read(wanted)
      yield page
      wanted = following(by, wanted, page)
    }
  }
  return {
    page: () => read(query),
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const page of pages()) yield* page.items
    },
  }
}

/** The links of the answer are not followed: they could lead elsewhere. */
function following(by: string, query: Query, { nextCursor, pagination }: Page<unknown>): Query | undefined {
  if (nextCursor !== undefined && pagination.has_more !== false) {
    if (nextCursor === query[by]) throw new UnexpectedAnswerError('the page names itself as the next one', 200)
    return { ...query, [by]: nextCursor }
  }
  const { page, has_next: hasNext } = pagination
  return hasNext === true && typeof page === 'number' ? { ...query, page: page + 1 } : undefined
}

function readPage<T>({ body, status }: Answer<unknown>): Page<T> {
  const { data, pagination, links } = Object(body) as { data?: unknown; pagination?: Pagination; links?: object }
  if (!Array.isArray(data) || typeof pagination !== 'object' || pagination === null) {
    throw new UnexpectedAnswerError('the server answered something else than a page of a list', status)
  }
  const { next_cursor: cursor } = pagination
  return {
    items: data as T[],
    pagination,
    links: (links ?? {}) as Page<T>['links'],
    nextCursor: typeof cursor === 'string' ? cursor : undefined,
  }
}
