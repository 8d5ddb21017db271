import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { conformance } from './conformance.ts'
import { renderConformance, renderDocument, renderPicture } from './document.ts'
import { hardenings } from './hardening.ts'
import { standards } from './standards.ts'
import { readTestTitles } from './test-titles.ts'
import { boundaries, loots } from './threats.ts'
import { profiles, walked } from './walked.ts'

const clauses = standards.flatMap(({ chapters }) => chapters.flatMap((chapter) => chapter.clauses))
const ofProfiles = conformance.flatMap(({ chapters }) => chapters.flatMap((chapter) => chapter.clauses))
const docs = join(import.meta.dirname, '..', '..', 'docs')

test('docs/security.md and its picture are what the clauses and tests say now', (t) => {
  const mend = 'run: npm run docs:security'
  t.is(readFileSync(join(docs, 'security.md'), 'utf8'), renderDocument(), mend)
  t.is(readFileSync(join(docs, 'security.svg'), 'utf8'), renderPicture(), mend)
})

test('docs/conformance.md is what the clauses and tests say now', (t) => {
  t.is(readFileSync(join(docs, 'conformance.md'), 'utf8'), renderConformance(), 'run: npm run docs:security')
})

test('every clause of the profiles is there once, in order', (t) => {
  const own = ofProfiles.filter(({ id }) => !id.startsWith('RFC 9700'))
  t.deepEqual(
    own.map(({ id }) => id),
    profiles,
  )
  t.is(ofProfiles.length - own.length, walked.filter(({ id }) => id.startsWith('RFC 9700')).length)
})

test('every test that is named stands in the sources once', (t) => {
  const places = readTestTitles()
  t.true(places.size > 500, `only ${places.size} titles were found`)
  for (const { tests = [] } of [...clauses, ...ofProfiles, ...hardenings, ...boundaries, ...loots]) {
    t.is(new Set(tests).size, tests.length, tests.join())
    for (const title of tests) t.is(places.get(title)?.length, 1, title)
  }
})

test('every clause of the walked chapters is there once, in order, with its level', (t) => {
  t.deepEqual(
    clauses.map(({ id, level }) => ({ id, ...(level === undefined ? {} : { level }) })),
    walked,
  )
})

test('what is met names its tests, what is not says why', (t) => {
  for (const { id, state, tests = [], note = '', says } of [...clauses, ...ofProfiles]) {
    t.true(state === 'met' ? tests.length > 0 : note !== '', id)
    t.regex(says, /^[A-Z].*\.$/, id)
    t.regex(note, /^(?:[A-Z`].*[.”)])?$/, id)
  }
})

test('titles are read as tests are declared, however they are, and not where they are skipped', (t) => {
  const places = readTestTitles()
  t.deepEqual(places.get('metadata that names another issuer is not used'), ['security/relying-party.test.ts'])
  t.deepEqual(places.get('nobody is sent to ${what}'), ['attacks/redirect-uri.test.ts'])
  t.true(places.has("entries can't be changed, deleted or truncated by the application's own role"))
  t.false(places.has('no request ended in an internal error'), 'a hook is no test')
})
