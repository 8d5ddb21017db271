/** A small API that has one of everything that an operation can declare; what it answers comes from memory. */
import { z } from 'zod'
import { operation, type Operation } from '../../src/http/api/operation.ts'
import { commonProblems } from '../../src/http/problem.ts'
import type { DocumentsOptions } from '../../src/http/api/documents.ts'

const author = z
  .object({ name: z.string(), born: z.int().nullable() })
  .meta({ id: 'Author', description: 'Who wrote it.' })
const bookSchema = z
  .object({
    id: z.string().meta({ description: 'Never changes.', example: 'bok_1' }),
    title: z.string().max(200),
    author,
    pages: z.int().min(1),
    tags: z.array(z.string()),
    kind: z.enum(['novel', 'essay']),
    created_at: z.iso.datetime(),
    links: z.record(z.string(), z.object({ href: z.url() })),
  })
  .meta({ id: 'Book', description: 'A book that is for sale.' })

export const newBook = z
  .strictObject({
    title: z.string().min(1).max(200).meta({ description: 'As it stands on the cover.' }),
    author: author.optional(),
    pages: z.int().min(1).default(100),
  })
  .meta({ id: 'NewBook' })

const books: Operation[] = [
  operation({
    id: 'listBooks',
    method: 'GET',
    path: '/books',
    tag: 'Books',
    summary: 'List books',
    description: 'All books, page by page.\n\n- Filters may be combined.\n- `sort` turns the order round.',
    access: { scope: 'books:read' },
    query: z.strictObject({
      kind: z.enum(['novel', 'essay']).optional(),
      'created_at[gte]': z.iso.datetime().optional(),
    }),
    list: {
      sort: ['created_at', 'title'],
      defaultSort: '-created_at',
      paging: ['cursor', 'offset'],
      csv: ['id', 'title'],
    },
    responses: { 200: { description: 'A page of books.', schema: bookSchema } },
    handle: async () => ({ list: { items: [] } }),
  }),
  operation({
    id: 'createBook',
    method: 'POST',
    path: '/books',
    tag: 'Books',
    summary: 'Add a book',
    access: { scope: 'books:write' },
    body: { schema: newBook, examples: { short: { title: 'Middlemarch' } } },
    idempotent: true,
    responses: { 201: { description: 'The book.', schema: bookSchema } },
    problems: ['conflict'],
    handle: async () => ({ body: {} }),
  }),
  operation({
    id: 'readBook',
    method: 'GET',
    path: '/books/{book_id}',
    tag: 'Books',
    summary: 'Read a book',
    access: 'public',
    params: z.object({ book_id: z.string() }),
    responses: { 200: { description: 'The book.', schema: bookSchema } },
    handle: async () => ({ body: {} }),
  }),
  operation({
    id: 'changeBook',
    method: 'PATCH',
    path: '/books/{book_id}',
    tag: 'Books',
    summary: 'Change a book',
    access: { scope: 'books:write' },
    params: z.object({ book_id: z.string() }),
    body: { schema: newBook.partial(), examples: { rename: { title: 'Emma' } } },
    precondition: async () => 1,
    responses: { 200: { description: 'The book as it is now.', schema: bookSchema } },
    handle: async () => ({ body: {} }),
  }),
  operation({
    id: 'removeBook',
    method: 'DELETE',
    path: '/books/{book_id}',
    tag: 'Books',
    summary: 'Remove a book',
    access: { scope: 'books:write' },
    params: z.object({ book_id: z.string() }),
    precondition: async () => 1,
    responses: { 204: { description: 'It is gone.' } },
    handle: async () => ({}),
  }),
  operation({
    id: 'readShop',
    method: 'GET',
    path: '/shop',
    tag: 'Shop',
    summary: 'Read the shop',
    access: 'authenticated',
    headers: { Prefer: { description: '`wait=5` waits for a customer.' } },
    responses: {
      200: {
        description: 'The shop.',
        schema: z.object({ name: z.string(), motto: z.string().transform((text) => text) }),
      },
    },
    handle: async () => ({ body: {} }),
  }),
]

/** What documents of the bookshop at this origin are made of. */
export function bookshop(origin: string): DocumentsOptions {
  return {
    title: 'Bookshop',
    version: '1.0.0',
    description: 'Sells books.\n\nEverything is JSON.',
    origin,
    base: '/api',
    vendor: 'bookshop',
    versions: [
      { number: 2, operations: books },
      { number: 1, operations: books.slice(0, 1), deprecated: { since: new Date(0) } },
      { number: 0, operations: books, removed: true },
    ],
    defaultVersion: 2,
    catalogue: commonProblems,
    typeBase: `${origin}/problems#`,
    tags: { Books: 'What is for sale.', Shop: 'The shop itself.', Nobody: 'Unused.' },
    security: {
      oauth: {
        authorizationEndpoint: `${origin}/authorize`,
        tokenEndpoint: `${origin}/token`,
        scopes: { 'books:read': 'See books', 'books:write': 'Change books' },
      },
      apiKeys: true,
    },
  }
}
