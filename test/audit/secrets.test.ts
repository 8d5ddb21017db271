import test from 'ava'
import { testDatabase } from '../support/database.ts'
import { entries, everyVerb } from './fixture.ts'

test('no entry of any verb holds a secret or password, nor its digest or hash, in any spelling', async (t) => {
  const db = await testDatabase(t)
  const { verbs, secrets } = everyVerb(db, 'cli')
  const stored = new Set<string>()
  for (const { prepare, run } of verbs) {
    await prepare()
    await run()
    for (const value of await storedSecrets(db.pool)) stored.add(value)
  }
  const text = JSON.stringify(await entries(db.knex))
  t.true(secrets.size > 6 && stored.size > 8, 'there was something to find')
  for (const secret of secrets) {
    for (const spelling of spellings(secret)) t.false(text.includes(spelling), `${secret} as ${spelling}`)
  }
  for (const value of stored) t.false(text.includes(value), value)
  t.regex(text, /password_changed_at/)
  t.notRegex(text, /argon2|password_hash|digest|sealed|"d":/)
})

/** As the database keeps them: hashes, digests and sealed keys. */
async function storedSecrets(pool: {
  query: (text: string) => Promise<{ rows: { value: string }[] }>
}): Promise<string[]> {
  const { rows } = await pool.query(`
    select password_hash as value from users
    union select encode(digest, encoding) from (select digest from client_secrets union select digest from api_keys) as kept,
      (values ('hex'), ('base64')) as spelt (encoding)
    union select private_sealed from signing_keys`)
  return rows.map(({ value }) => value)
}

function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret)
  // A secret of ours also without its prefix and checksum, and a JSON string's escapes.
  const core = /^[a-z]+_(.{43})/.exec(secret)?.[1]
  const encoded = ['hex', 'base64', 'base64url'] as const
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    ...encoded.map((one) => bytes.toString(one)),
    ...(core ? [core] : []),
  ]
}
