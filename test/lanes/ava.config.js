/** How lanes are run: as test files are, but for the files, and that these wait at their top. */
import { readFileSync } from 'node:fs'

const { ava } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

export default { ...ava, extensions: { ts: 'module' }, files: ['test/lanes/lane-*.ts'] }
