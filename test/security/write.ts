/** `npm run docs:security`: writes docs/security.md, docs/security.svg and docs/conformance.md. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderConformance, renderDocument, renderPicture } from './document.ts'

const docs = join(import.meta.dirname, '..', '..', 'docs')
writeFileSync(join(docs, 'security.md'), renderDocument())
writeFileSync(join(docs, 'security.svg'), renderPicture())
writeFileSync(join(docs, 'conformance.md'), renderConformance())
