/** What package.json says of ava, and an order: what takes long begins first, so that it is not waited for alone in the end. */
import { readFileSync } from 'node:fs'

const { ava } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

const LONG =
  /\/test\/(?:rig|races|browser)\/|\/(?:faults|process|build|readme|playground|reference-page|device-clients|back-channel-logout|browser|contract|embedded)\.test\.ts$/

const rank = (file) => (file.includes('/rig/') ? 0 : LONG.test(file) ? 1 : 2)

export default {
  ...ava,
  sortTestFiles: (one, other) => rank(one) - rank(other) || (one < other ? -1 : 1),
}
