/**
 * The blocklist, as rules instead of a file of millions of lines: among passwords of 15 characters and more the common ones
 * are built, from well-known words, rows of keys, runs, years and repetitions. A password is refused when little is left of
 * it once such parts are taken out.
 */

const PRODUCT = 'grantry'
/** Parts of a name or address shorter than this turn up in ordinary words. */
const SHORTEST_CONTEXT = 4
/** Below this much that no rule explains, and with no more than this many different parts, a password is a common one. */
const FEWEST_UNEXPLAINED = 4
const MOST_PARTS = 3

const WORDS = `
  password passwort kennwort passphrase passcode passw0rd secret geheim mysecret letmein changeme changeit default admin
  administrator root superuser user username login logon signin welcome willkommen hello hallo access account master server
  system computer internet network google facebook microsoft windows apple android samsung iphone amazon netflix youtube
  instagram linkedin dropbox adobe oracle database postgres postgresql mysql docker kubernetes company enterprise business
  office support service test testing tester testtest demo example sample guest temp temporary qwerty qwertz azerty iloveyou
  ichliebedich loveyou love liebe lover forever princess prinzessin sunshine sonnenschein shadow dragon monkey football
  fussball baseball basketball soccer hockey superman batman spiderman starwars pokemon minecraft jordan michael jennifer
  jessica ashley daniel thomas andrew charlie robert william anthony matthew joshua nicole hannah michelle amanda schatz
  schatzi baby babygirl angel engel flower blume freedom freiheit whatever trustno trustnoone nothing nobody hunter ranger
  harley mustang ferrari porsche mercedes killer ninja pepper ginger cookie cheese chocolate schokolade banana orange purple
  summer sommer winter spring fruehling autumn herbst january januar february februar march maerz april mai june juni july
  juli august september october oktober november december dezember monday montag tuesday dienstag wednesday mittwoch thursday
  donnerstag friday freitag saturday samstag sunday sonntag london berlin paris newyork america deutschland germany england
  correcthorsebatterystaple thequickbrownfoxjumpsoverthelazydog thequickbrownfox loremipsumdolorsitamet loremipsum
  tobeornottobe opensesame sesame abrakadabra abracadabra maytheforcebewithyou security sicherheit token oauth openid
  my mein the is new neu pass pwd
`
  .trim()
  .split(/\s+/)
  .sort((a, b) => b.length - a.length)

const ROWS = [
  'abcdefghijklmnopqrstuvwxyz',
  '01234567890',
  'qwertyuiop',
  'qwertzuiop',
  'azertyuiop',
  'asdfghjkl',
  'qsdfghjklm',
  'zxcvbnm',
  'yxcvbnm',
  'wxcvbn',
  '1q2w3e4r5t6y7u8i9o0p',
  '1q2w3e4r5t6z7u8i9o0p',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p',
  '1qay2wsx3edc4rfv5tgb6zhn7ujm8ik9ol0p',
  'qazwsxedcrfvtgbyhnujmikolp',
  'qaywsxedcrfvtgbzhnujmikolp',
].flatMap((row) => [row, Array.from(row).reverse().join('')])

const LOOKS_LIKE: Record<string, string> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
}

/** Which rule a password falls under; undefined when under none. */
export function guessablePart(
  password: string,
  context: readonly string[],
): 'contains_context' | 'too_common' | undefined {
  const plain = folded(password)
  const disguised = Array.from(plain, (character) => LOOKS_LIKE[character] ?? character).join('')
  const own = [PRODUCT, ...contextWords(context)]
  if (own.some((word) => plain.includes(word) || disguised.includes(word))) return 'contains_context'

  const forms = [plain, disguised, bare(plain), bare(disguised)]
  return repeatsItself(plain) || forms.some((form) => isBuilt(form)) ? 'too_common' : undefined
}

/** Names and addresses in the ways they turn up in passwords: whole, without separators, and by their parts. */
function contextWords(context: readonly string[]): string[] {
  const whole = context.map(folded)
  // The last label of a domain (`.info`) says nothing about the person.
  const parts = whole.flatMap((text) => text.replace(/(@.*)\.[^.]*$/, '$1').split(/[\s@._+-]+/))
  return [...new Set([...whole, ...whole.map(bare), ...parts])].filter(
    (word) => Array.from(word).length >= SHORTEST_CONTEXT,
  )
}

/** A short thing said again and again, or hardly any different characters. */
function repeatsItself(text: string): boolean {
  const characters = Array.from(text)
  if (new Set(characters).size < 5) return true
  for (let period = 1; period < 15 && period <= characters.length / 2; period += 1) {
    if (characters.every((character, index) => index < period || character === characters[index - period])) return true
  }
  return false
}

function isBuilt(text: string): boolean {
  // Too little is left after taking punctuation away to say anything: the password is made of other things.
  if (text.length < 8) return false
  const parts = new Set<string>()
  let unexplained = 0
  for (let at = 0; at < text.length;) {
    const part = partAt(text, at)
    if (part) parts.add(part.kind)
    else unexplained += 1
    at += part?.length ?? 1
  }
  return unexplained < FEWEST_UNEXPLAINED && parts.size <= MOST_PARTS
}

/** The longest well-known part that begins here. Runs and years count as one kind each, words each as their own. */
function partAt(text: string, at: number): { kind: string; length: number } | undefined {
  const rest = text.slice(at)
  const word = WORDS.find((candidate) => rest.startsWith(candidate))
  const run = Math.max(sameRun(rest), rowRun(rest))
  if (run >= 3 && run > (word?.length ?? 0)) return { kind: '(run)', length: run }
  if (word) return { kind: word, length: word.length }
  return /^(?:19|20)\d\d/.test(rest) ? { kind: '(year)', length: 4 } : undefined
}

function sameRun(rest: string): number {
  let length = 1
  while (length < rest.length && rest[length] === rest[0]) length += 1
  return length
}

function rowRun(rest: string): number {
  return Math.max(...ROWS.map((row) => sharedLength(row, rest)))
}

/** How far `rest` follows a row of keys from wherever its first character stands in it. */
function sharedLength(row: string, rest: string): number {
  const start = row.indexOf(rest.charAt(0))
  if (start < 0) return 0
  let length = 0
  while (length < rest.length && start + length < row.length && rest[length] === row[start + length]) length += 1
  return length
}

/** Lower case, compatibility forms and diacritics folded away: how a guesser varies a word. */
function folded(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .trim()
}

function bare(text: string): string {
  return text.replace(/[^\p{L}\p{N}]+/gu, '')
}
