/**
 * `npm run bench:plot [FILE]`: draws the plots in docs/performance/ and fills the tables of docs/performance.md from what
 * `npm run bench -- --json FILE` has written; bench/results.json unless another file is named.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { plotsOf } from './document/plots.ts'
import { fill, tablesOf } from './document/tables.ts'
import type { Report } from './support/report.ts'

const [file = join(import.meta.dirname, 'results.json')] = process.argv.slice(2)
const documents = join(import.meta.dirname, '..', 'docs')
const document = join(documents, 'performance.md')
const report = JSON.parse(readFileSync(file, 'utf8')) as Report

mkdirSync(join(documents, 'performance'), { recursive: true })
for (const [name, svg] of plotsOf(report)) writeFileSync(join(documents, 'performance', name), svg)
writeFileSync(document, fill(readFileSync(document, 'utf8'), tablesOf(report)))
