import test from 'ava'
import { createCursors, selectionDigest, type CursorScope } from '../../src/http/api/cursor.ts'
import { fc } from '../support/property.ts'

const scope: CursorScope = {
  operation: 'listNotes',
  version: 1,
  sort: '-created_at',
  selection: selectionDigest('/', []),
}
const [old, current] = [Buffer.from('the old secret'), Buffer.from('the current secret')]
const cursors = createCursors([current, old])

const positions = fc.record({ value: fc.option(fc.string({ unit: 'binary' })), id: fc.string({ unit: 'binary' }) })

test('whatever a page ended with comes back out of its cursor', (t) => {
  fc.assert(
    fc.property(positions, (position) => {
      t.deepEqual(cursors.decode(cursors.encode(scope, position), scope), position)
    }),
    { numRuns: 100 },
  )
})

test('a cursor with any character changed, added or lost does not count', (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= '
  const change = fc.tuple(fc.nat(), fc.constantFrom(...alphabet.split('')), fc.constantFrom(0, 1), fc.boolean())
  fc.assert(
    fc.property(positions, change, (position, [place, character, replaced, drops]) => {
      const cursor = cursors.encode(scope, position)
      const at = place % cursor.length
      const changed = cursor.slice(0, at) + (drops ? '' : character) + cursor.slice(at + (drops ? 1 : replaced))
      if (changed !== cursor) t.is(cursors.decode(changed, scope), 'invalid')
    }),
    { numRuns: 500 },
  )
})

test('secrets turn over: the former still verifies, a stranger does not', (t) => {
  const position = { value: '1', id: 'a' }
  t.deepEqual(cursors.decode(createCursors([old]).encode(scope, position), scope), position)
  t.is(createCursors([old]).decode(cursors.encode(scope, position), scope), 'invalid')
})

test('a cursor of another list or version does not count; of another selection it does not fit', (t) => {
  const cursor = cursors.encode(scope, { value: '1', id: 'a' })
  t.is(cursors.decode(cursor, { ...scope, operation: 'listOthers' }), 'invalid')
  t.is(cursors.decode(cursor, { ...scope, version: 2 }), 'invalid')
  t.is(cursors.decode(cursor, { ...scope, sort: 'created_at' }), 'mismatch')
  t.is(cursors.decode(cursor, { ...scope, selection: selectionDigest('/', [['a', '1']]) }), 'mismatch')
})

test('the order of filters makes no other selection, their names and values do', (t) => {
  const both = selectionDigest('/', [['a', '1'], ['b', '2']]) // prettier-ignore
  t.is(selectionDigest('/', [['b', '2'], ['a', '1']]), both) // prettier-ignore
  t.not(selectionDigest('/', [['a', '1,b'], ['2', '']]), both) // prettier-ignore
  t.not(selectionDigest('/x', [['a', '1'], ['b', '2']]), both) // prettier-ignore
})
