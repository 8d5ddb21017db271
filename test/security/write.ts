/** `npm run docs:security`: writes docs/security.md and docs/security.svg. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderDocument, renderPicture } from './document.ts'

const docs = join(import.meta.dirname, '..', '..', 'docs')
writeFileSync(join(docs, 'security.md'), renderDocument())
writeFileSync(join(docs, 'security.svg'), renderPicture())
